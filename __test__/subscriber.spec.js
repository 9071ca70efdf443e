'use strict';

// A handle as a subscriber: the styles of ioredis and node-redis, counts, and the end of handles.

const { outcomeOf } = require('./support/deferred');
const { ear } = require('./support/heard');
const { PLACES, usePlace } = require('./support/places');
const { resultOf } = require('./support/program');
const { deadline, uniquePrefix, until } = require('./support');

const KINDS = [
  ['channels', 'subscribe', 'unsubscribe', 'publish', 'message', 'c'],
  ['patterns', 'psubscribe', 'punsubscribe', 'publish', 'pmessage', 'c*'],
  ['patterns, as node-redis spells it', 'pSubscribe', 'pUnsubscribe', 'publish', 'pmessage', '[c]'],
  ['sharded channels', 'ssubscribe', 'sunsubscribe', 'spublish', 'smessage', 'c'],
  ['sharded channels, as node-redis spells it', 'sSubscribe', 'sUnsubscribe', 'sPublish', 'smessage', 'c'],
];

describe.each(PLACES)('a subscriber on %s', (_where, start) => {
  const place = usePlace(start);
  let backplane;
  let subscriber;
  let client;

  beforeEach(async () => {
    backplane = await place.open();
    client = backplane.getClient();
    subscriber = backplane.createSubscriber();
  });

  const count = async (words, channel = 'c') => (await client.sendCommand(['PUBSUB', words, channel]))[1];

  describe.each(KINDS)('%s', (_kind, on, off, publish, event, name) => {
    const patterns = event === 'pmessage' ? [name] : [];

    test('come as events, in order, as text and as Buffers', async () => {
      const [texts, buffers] = [[], []];
      subscriber.on(event, (...args) => texts.push(args));
      subscriber.on(`${event}Buffer`, (...args) => buffers.push(args));
      expect(await subscriber[on](name)).toBe(1);
      const sent = ['é', 'second', 'x'.repeat(100_000)];
      for (const text of sent) expect(await client[publish]('c', text)).toBe(1);
      await until(() => texts.length === 3 && buffers.length === 3, { what: 'all of them' });
      expect(texts).toEqual(sent.map((text) => [...patterns, 'c', text]));
      expect(buffers).toEqual(sent.map((text) => [...patterns, Buffer.from('c'), Buffer.from(text)]));
      for (const args of buffers) for (const bytes of args.slice(-2)) expect(Buffer.isBuffer(bytes)).toBe(true);
    });

    test('come to listeners, as text and as Buffers, and not as events', async () => {
      const events = ear();
      subscriber.on(event, events);
      const [texts, buffers] = [[], []];
      expect(await subscriber[on](name, (...args) => texts.push(args))).toBe(1);
      expect(await subscriber[on]([name], (...args) => buffers.push(args), true)).toBe(1);
      expect(await client[publish]('c', 'é')).toBe(1);
      await until(() => texts.length === 1 && buffers.length === 1, { what: 'both' });
      expect([texts, buffers]).toEqual([[['é', 'c']], [[Buffer.from('é'), Buffer.from('c')]]]);
      expect(events.heard).toEqual([]);
    });

    test('end by listener, by style, by name, and all at once', async () => {
      const [events, text, buffer] = [ear(), ear(), ear()];
      subscriber.on(`${event}Buffer`, events);
      await subscriber[on](name);
      await subscriber[on](name, text);
      await subscriber[on](name, text, true);
      await subscriber[on](name, buffer, true);
      expect(await subscriber[off](name, () => {})).toBe(1);
      expect(await subscriber[off](name, buffer, true)).toBe(1);
      expect(await subscriber[off](name, text, true)).toBe(1);
      await client[publish]('c', 'one');
      await until(() => events.heard.length === 1 && text.heard.length === 1, { what: 'those that are left' });
      expect([text.heard, buffer.heard]).toEqual([['one'], []]);
      expect(await subscriber[off](name)).toBe(0);
      expect(await client[publish]('c', 'two')).toBe(0);
      expect(await subscriber[on]([`${name}1`, name, `${name}2`])).toBe(3);
      expect(await subscriber[off]()).toBe(0);
      expect(await client[publish]('c', 'three')).toBe(0);
      expect(await subscriber[on](name, text)).toBe(1);
      await client[publish]('c', 'four');
      await text.times(2);
      expect([text.heard, events.heard.length, buffer.heard]).toEqual([['one', 'four'], 1, []]);
    });

    test('end at once: what is on its way does not come any more', async () => {
      const [listener, events] = [ear(), ear()];
      subscriber.on(event, events);
      await subscriber[on](name, listener);
      await subscriber[on](name);
      const published = client[publish]('c', 'on its way');
      const ended = subscriber[off](name);
      await published;
      expect(await ended).toBe(0);
      const last = ear();
      await subscriber[on](name, last);
      await client[publish]('c', 'last');
      await until(() => last.heard.includes('last'), { what: 'the last' });
      expect([listener.heard, events.heard]).toEqual([[], []]);
    });

    test('a listener that another one has ended is not called any more', async () => {
      const [behind, last] = [ear(), ear()];
      await subscriber[on](name, () => subscriber[off](name, behind));
      await subscriber[on](name, behind);
      await subscriber[on](name, last);
      await client[publish]('c', 'x');
      await last.times(1);
      expect(behind.heard).toEqual([]);
    });

    test('a listener that is added while a message is delivered hears the next one', async () => {
      const added = ear();
      let calls = 0;
      await subscriber[on](name, () => {
        calls += 1;
        if (calls === 1) subscriber[on](name, added);
      });
      const last = ear();
      await subscriber[on](name, last);
      for (const text of ['first', 'second']) await client[publish]('c', text);
      await last.times(2);
      await added.times(1);
      expect(added.heard).toEqual(['second']);
    });

    test('one that throws or rejects hurts no other', async () => {
      const listener = ear();
      await subscriber[on](name, () => { throw new Error('provoked by a test'); });
      await subscriber[on](name, async () => { throw new Error('provoked by a test'); }, true);
      await subscriber[on](name, listener);
      subscriber.on(event, () => { throw new Error('provoked by a test'); });
      const events = ear();
      subscriber.on(event, events);
      await subscriber[on](name);
      for (const text of ['1', '2']) await client[publish]('c', text);
      await until(() => listener.heard.length === 2 && events.heard.length === 2, { what: 'both' });
      expect(listener.heard).toEqual(['1', '2']);
    });
  });

  test('counts are of channels and patterns, of sharded channels by themselves', async () => {
    expect(await subscriber.subscribe('a', 'b')).toBe(2);
    expect(await subscriber.subscribe('a')).toBe(2);
    expect(await subscriber.subscribe(['b', 'c'], 'd')).toBe(4);
    expect(await subscriber.psubscribe('a*', 'b*')).toBe(6);
    expect(await subscriber.ssubscribe(['a', 'b'])).toBe(2);
    expect(await subscriber.unsubscribe('a', 'never')).toBe(5);
    expect(await subscriber.unsubscribe('a')).toBe(5);
    expect(await subscriber.sunsubscribe()).toBe(0);
    expect(await subscriber.punsubscribe()).toBe(3);
    expect(await subscriber.unsubscribe(['b', 'c', 'd'])).toBe(0);
    expect(await subscriber.unsubscribe()).toBe(0);
  });

  test('the callback of ioredis gets the count, or the error', async () => {
    const called = (how, ...args) => {
      const outcome = new Promise((resolve) => {
        subscriber[how](...args, (...told) => resolve(told)).catch(() => {});
      });
      return deadline(outcome, 2000, 'the callback');
    };
    expect(await called('subscribe', 'a', 'b')).toEqual([null, 2]);
    expect(await called('psubscribe', ['a'], 'b')).toEqual([null, 4]);
    const [error] = await called('subscribe', 'a', '');
    expect(error.code).toBe('E_INVALID_CHANNEL');
    await subscriber.quit();
    expect((await called('subscribe', 'a', 'b'))[0].code).toBe('E_CLOSED');
  });

  test('several handles get their own, and end for themselves', async () => {
    const handles = [subscriber, subscriber.duplicate(), client.duplicate(), client];
    const ears = handles.map(() => ear());
    for (const [i, handle] of handles.entries()) expect(await handle.subscribe('c', ears[i])).toBe(1);
    expect(await subscriber.publish('c', 'all')).toBe(4);
    for (const each of ears) await each.times(1);
    expect(await count('NUMSUB')).toBe(4);
    await handles[1].unsubscribe('c');
    expect(await client.publish('c', 'three')).toBe(3);
    await ears[2].times(2);
    const ended = [];
    for (const handle of handles) handle.on('end', () => ended.push(handles.indexOf(handle)));
    expect(await subscriber.quit()).toBe('OK');
    expect(handles[2].disconnect()).toBeUndefined();
    expect(ended).toEqual([0, 2]);
    await until(async () => (await count('NUMSUB')) === 1, { what: 'only one is left' });
    expect(await client.publish('c', 'one')).toBe(1);
    await ears[3].times(3);
    expect(ears.map(({ heard }) => heard)).toEqual([['all', 'three'], ['all'], ['all', 'three'], ['all', 'three', 'one']]);
    expect(handles.map(({ status }) => status === 'end')).toEqual([true, false, true, false]);
    expect(await backplane.cacheSet('k', 1)).toBe(true);
  });

  test('after its end a duplicate rejects what it is asked, and unsubscribing is done', async () => {
    await subscriber.subscribe('c');
    await subscriber.quit();
    const calls = [
      subscriber.subscribe('c'), subscriber.psubscribe('c', () => {}), subscriber.ssubscribe('c'), subscriber.publish('c', 'x'),
      subscriber.spublish('c', 'x'), subscriber.ping(),
    ];
    expect((await Promise.all(calls.map(outcomeOf))).map(({ code }) => code)).toEqual(Array(6).fill('E_CLOSED'));
    // Libraries ask this in promises of their own, which nobody awaits.
    expect(await subscriber.sendCommand(['PUBSUB', 'NUMSUB', 'c'])).toEqual(['c', 0]);
    expect(await Promise.all([subscriber.unsubscribe('c'), subscriber.punsubscribe(), subscriber.sunsubscribe('c')])).toEqual([0, 0, 0]);
    expect(await subscriber.quit()).toBe('OK');
    expect([subscriber.status, subscriber.isOpen, subscriber.isReady]).toEqual(['end', false, false]);
  });

  test('PUBSUB NUMSUB and SHARDNUMSUB name channels as subscribe does', async () => {
    const other = client.duplicate();
    await subscriber.subscribe('a', 'b');
    await other.subscribe('b');
    await other.ssubscribe('a');
    expect(await client.sendCommand(['PUBSUB', 'NUMSUB', 'a', 'b', 'none'])).toEqual(['a', 1, 'b', 2, 'none', 0]);
    expect(await subscriber.sendCommand(['pubsub', 'shardnumsub', 'a', 'b'])).toEqual(['a', 1, 'b', 0]);
    expect(await client.sendCommand(['PUBSUB', 'NUMSUB', Buffer.from('b')])).toHaveProperty('1', 2);
    expect(await client.sendCommand(['PUBSUB', 'NUMSUB'])).toEqual([]);
  });

  test.each([['undefined', undefined], ['null', null], ['a number', 5], ['a boolean', true], ['an object', {}], ['an array', ['x']], ['a function', () => 'x'],
    ['an ArrayBuffer', new ArrayBuffer(1)], ['a Float64Array', new Float64Array(1)], ['a DataView', new DataView(new ArrayBuffer(1))]])(
    'a message is a string or bytes, not %s',
    async (_what, message) => {
      for (const how of ['publish', 'spublish', 'sPublish']) {
        const { code, error } = await outcomeOf(client[how]('c', message));
        expect([code, error instanceof TypeError]).toEqual(['E_INVALID_VALUE', true]);
      }
    }
  );

  test.each([['nothing', []], ['null', [null]], ['a number', [5]], ['an empty name', ['']], ['an empty list', [[]]], ['one that is too long', ['c'.repeat(65_537)]],
    ['half a pair', ['\ud800']], ['a good one and a wrong one', ['a', null]], ['a list with a wrong one', [['a', {}]]], ['only a listener', [() => {}]]])(
    'a channel is not %s',
    async (_what, args) => {
      for (const how of ['subscribe', 'pSubscribe', 'ssubscribe']) expect((await outcomeOf(subscriber[how](...args))).code).toBe('E_INVALID_CHANNEL');
      expect((await outcomeOf(client.publish(args.at(-1), 'x'))).code).toBe('E_INVALID_CHANNEL');
      expect(await subscriber.subscribe('c')).toBe(1);
    }
  );

  test('patterns match whole names, behind the prefix', async () => {
    const backplanes = ['a*', 'ab'].map((text) => place.openCold({ keyPrefix: uniquePrefix() + text }));
    const seen = [];
    for (const each of backplanes) await each.createSubscriber().psubscribe('h[ae]llo?', (message, channel) => seen.push([message, channel]));
    for (const each of backplanes) {
      const published = ['hello1', 'hallo1', 'hxllo1', 'hello', 'Hello1', 'xhello1', 'hello12'].map((channel) => each.getClient().publish(channel, 'm'));
      expect(await Promise.all(published)).toEqual([1, 1, 0, 0, 0, 0, 0]);
    }
    await until(() => seen.length === 4, { what: 'both twice' });
    expect(seen).toEqual([['m', 'hello1'], ['m', 'hallo1'], ['m', 'hello1'], ['m', 'hallo1']]);
  });

  test('calls that nobody awaits are no unhandled rejections after the end', async () => {
    expect(await resultOf('subscriber-after-end.js', { url: place.url })).toEqual({ unhandled: [] });
  });
});
