'use strict';

const { outcomeOf } = require('./support/deferred');
const { ear, heardUpToNow } = require('./support/heard');
const { PLACES, silent, usePlace } = require('./support/places');
const { uniquePrefix, until } = require('./support');

const VALUES = [
  ['null', null], ['false', false], ['true', true], ['0', 0], ['-0', -0], ['an empty text', ''], ['NaN', NaN], ['an empty array', []],
  ['an empty object', {}], ['a sparse array', Object.assign([], { 2: 'x' })], ['nesting', { a: [{ b: [[], {}] }, null] }], ['a Date', new Date(0)],
  ['a Buffer', Buffer.from([0, 255])], ['toJSON', { toJSON: () => ({ made: true }) }], ['undefined inside', { a: undefined, b: [undefined] }],
  ['special names', JSON.parse('{"__proto__":{"x":1},"constructor":2,"then":3,"length":4}')], ['control characters', '\0\u0001\b\n\r\u2028\ufeff"\\'],
  ['Unicode', 'aéß漢字😀\u{10ffff}e\u0301'], ['lone surrogates', ['\ud800', '\udc00x']], ['text that looks like JSON', ['null', '],[', ',1,', '"']],
  ['1 MB', 'x'.repeat(1 << 20)], ['1 MB beyond Latin 1', '漢'.repeat(350_000)], ['deep nesting', JSON.parse('['.repeat(2000) + ']'.repeat(2000))],
];

const CHANNELS = [
  '*', '**', '?', '[a-z]', '[^a]', '\\', '\\*', '{a}', '{}', 'a', 'b', 'a:b', ':', ' ', '  ', '\0', 'a\0', 'a\0b', '\r\n', '\t', '__proto__', 'constructor',
  'then', 'null', '"', "'", '$1', '*1\r\n$4\r\nPING\r\n', 'é', 'e\u0301', '漢字', '😀', '\u{10ffff}', '\ufeff', 'c'.repeat(64 * 1024), 'é'.repeat(32 * 1024),
];

describe.each(PLACES)('publish and subscribe on %s', (where, start) => {
  const place = usePlace(start);
  let backplane;
  let pubSub;

  beforeEach(async () => {
    backplane = await place.open();
    pubSub = backplane.getPubSub();
  });

  async function listening(channel = 'c') {
    const listener = ear();
    expect(await pubSub.subscribe(channel, listener)).toBe(true);
    return listener;
  }

  const heard = (listener, channel = 'c') => heardUpToNow((marker) => pubSub.publish(channel, marker), listener);

  test.each(VALUES)('%s comes as JSON gives it', async (_name, value) => {
    const listener = await listening();
    expect(await pubSub.publish('c', value)).toBe(1);
    expect(await backplane.publish('c', value)).toBe(1);
    await listener.times(2);
    const text = JSON.stringify(value);
    expect(listener.heard.map((data) => JSON.stringify(data))).toEqual([text, text]);
    expect(listener.heard[0]).toStrictEqual(JSON.parse(text));
  });

  test('all of them at once come in order', async () => {
    const listener = await listening();
    const small = VALUES.map(([, value]) => value).filter((value) => JSON.stringify(value).length < 10_000);
    expect(await Promise.all(small.map((value) => pubSub.publish('c', value)))).toEqual(small.map(() => 1));
    await listener.times(small.length);
    expect(listener.heard.map((data) => JSON.stringify(data))).toEqual(small.map((value) => JSON.stringify(value)));
  });

  test('10,000 messages come in order, each once', async () => {
    const listener = await listening();
    const numbers = Array.from({ length: 10_000 }, (_, i) => i);
    const counts = await Promise.all(numbers.map((i) => pubSub.publish('c', i)));
    expect(counts.every((count) => count === 1)).toBe(true);
    expect(await heard(listener)).toEqual(numbers);
  });

  test('what was passed can be changed at once', async () => {
    const listener = await listening();
    const value = { list: [1] };
    const published = pubSub.publish('c', value);
    value.list.push(2);
    await published;
    await listener.times(1);
    expect(listener.heard).toEqual([{ list: [1] }]);
  });

  test('every callback of a channel gets the same object and the name of the channel', async () => {
    const calls = [];
    const callbacks = Array.from({ length: 50 }, (_, i) => (data, channel) => calls.push([i, data, channel]));
    expect(await Promise.all(callbacks.map((callback) => pubSub.subscribe('c', callback)))).toEqual(callbacks.map(() => true));
    expect(await pubSub.publish('c', { a: 1 })).toBe(1);
    await until(() => calls.length === 50, { what: 'every callback' });
    expect(calls.map(([i, , channel]) => [i, channel])).toEqual(callbacks.map((_, i) => [i, 'c']));
    for (const [, data] of calls) expect(data).toBe(calls[0][1]);
  });

  test('a callback that throws, rejects or never settles hurts no other (case 41)', async () => {
    const hostile = [
      () => { throw new Error('provoked by a test'); },
      () => { throw undefined; },
      () => { throw Object.create(null); },
      () => Promise.reject(new Error('provoked by a test')),
      async () => { throw null; },
      () => new Promise(() => {}),
      () => ({ then() { throw new Error('provoked by a test'); } }),
      () => ({ get then() { throw new Error('provoked by a test'); } }),
    ];
    for (const callback of hostile) await pubSub.subscribe('c', callback);
    const listener = await listening();
    await pubSub.publish('c', 1);
    await pubSub.publish('c', 2);
    expect(await heard(listener)).toEqual([1, 2]);
  });

  test('the same callback twice is called twice, and ended once at a time (case 39)', async () => {
    const twice = ear();
    await pubSub.subscribe('c', twice);
    await pubSub.subscribe('c', twice);
    const listener = await listening();
    expect(await pubSub.publish('c', 1)).toBe(1);
    await heard(listener);
    expect(await pubSub.unsubscribe('c', twice)).toBe(true);
    await pubSub.publish('c', 2);
    await heard(listener);
    expect(await pubSub.unsubscribe('c', twice)).toBe(true);
    await pubSub.publish('c', 3);
    await heard(listener);
    expect(twice.heard.filter(Number.isInteger)).toEqual([1, 1, 2]);
  });

  test('unsubscribe ends one of several, or all; nothing comes from that moment on', async () => {
    const [one, other] = [await listening(), await listening()];
    const published = pubSub.publish('c', 'on its way');
    const ended = pubSub.unsubscribe('c', one);
    await published;
    expect(await ended).toBe(true);
    expect(one.heard).toEqual([]);
    expect(await heard(other)).toEqual(['on its way']);
    expect(await pubSub.unsubscribe('c')).toBe(true);
    expect(await pubSub.publish('c', 1)).toBe(0);
    const later = await listening();
    expect(await heard(later)).toEqual([]);
    expect([one.heard, other.heard.filter((data) => data === 1)]).toEqual([[], []]);
  });

  test('unsubscribing what is not subscribed is true, and ends nothing', async () => {
    const listener = await listening();
    expect(await pubSub.unsubscribe('never')).toBe(true);
    expect(await pubSub.unsubscribe('c', () => {})).toBe(true);
    await pubSub.publish('c', 1);
    expect(await heard(listener)).toEqual([1]);
  });

  test('unsubscribing within a callback: itself, and the one behind it from now on', async () => {
    const [itself, behind, last] = [ear(), ear(), ear()];
    const ending = (data) => {
      itself(data);
      pubSub.unsubscribe('c', ending);
      pubSub.unsubscribe('c', behind);
    };
    for (const callback of [ending, behind, last]) await pubSub.subscribe('c', callback);
    await pubSub.publish('c', 1);
    await pubSub.publish('c', 2);
    expect(await heard(last)).toEqual([1, 2]);
    expect([itself.heard, behind.heard]).toEqual([[1], []]);
  });

  test('subscribing within a callback: from the next message on', async () => {
    const added = ear();
    let count = 0;
    await pubSub.subscribe('c', () => {
      count += 1;
      if (count === 1) pubSub.subscribe('c', added);
    });
    const last = await listening();
    await pubSub.publish('c', 1);
    await pubSub.publish('c', 2);
    await heard(last);
    expect(added.heard[0]).toBe(2);
  });

  test('subscribe, unsubscribe and subscribe again without a pause, many times', async () => {
    const listener = ear();
    const last = [];
    for (let i = 0; i < 100; i += 1) last.push(pubSub.subscribe('c', listener), pubSub.unsubscribe('c', listener));
    last.push(pubSub.subscribe('c', listener));
    await Promise.all(last);
    expect(await pubSub.publish('c', 1)).toBe(1);
    expect(await heard(listener)).toEqual([1]);
    expect(await backplane.getClient().sendCommand(['PUBSUB', 'NUMSUB', 'c'])).toEqual(['c', 1]);
  });

  test('publish counts subscriptions: none, one, several', async () => {
    expect(await pubSub.publish('c', 1)).toBe(0);
    await listening();
    expect(await pubSub.publish('c', 1)).toBe(1);
    await listening();
    expect(await pubSub.publish('c', 1)).toBe(1);
    const others = [new backplane.RedisPubSub(), new backplane.RedisPubSub()];
    for (const other of others) expect(await other.subscribe('c', () => {})).toBe(true);
    expect(await backplane.publish('c', 1)).toBe(3);
    await backplane.createSubscriber().psubscribe('*', () => {});
    expect(await backplane.publish('c', 1)).toBe(4);
    if (where === 'memory') return;
    const keyPrefix = uniquePrefix();
    const [one, two] = [await place.open({ keyPrefix }), await place.open({ keyPrefix })];
    for (const each of [one, two]) await each.getPubSub().subscribe('c', () => {});
    expect(await one.publish('c', 1)).toBe(2);
  });

  test('a prefix is taken as it is, also by patterns', async () => {
    const base = uniquePrefix();
    const prefixes = ['p*:', 'p?:', 'p[a]:', 'p\\:', 'p\\?:', 'pa:', 'pab:', '*', '[^x]'].map((text) => base + text);
    const opened = await Promise.all(prefixes.map((keyPrefix) => place.open({ keyPrefix })));
    const named = prefixes.map(ear);
    const globbed = prefixes.map(ear);
    for (const [i, each] of opened.entries()) {
      await each.getPubSub().subscribe('c', named[i]);
      await each.createSubscriber().psubscribe('*', (message, channel) => globbed[i]([message, channel]));
    }
    for (const [i, each] of opened.entries()) expect(await each.publish('c', i)).toBe(2);
    for (const [i, each] of opened.entries()) {
      expect(await heardUpToNow((marker) => each.publish('c', marker), named[i])).toEqual([i]);
      await globbed[i].times(2);
      expect(globbed[i].heard[0]).toEqual([String(i), 'c']);
      expect(globbed[i].heard).toHaveLength(2);
    }
  });

  test('every hostile channel is one of its own', async () => {
    const seen = CHANNELS.map(() => []);
    const subscribed = CHANNELS.map((name, i) => pubSub.subscribe(name, (data, channel) => seen[i].push([data, channel === name])));
    expect(await Promise.all(subscribed)).toEqual(CHANNELS.map(() => true));
    expect(await Promise.all(CHANNELS.map((name, i) => pubSub.publish(name, i)))).toEqual(CHANNELS.map(() => 1));
    await until(() => seen.every((each) => each.length > 0), { what: 'each its own' });
    expect(seen).toEqual(CHANNELS.map((_, i) => [[i, true]]));
    expect(await Promise.all(CHANNELS.map((name) => pubSub.unsubscribe(name)))).toEqual(CHANNELS.map(() => true));
    expect(await Promise.all(CHANNELS.map((name, i) => pubSub.publish(name, i)))).toEqual(CHANNELS.map(() => 0));
  });

  test('initialize tells whether Redis is there, before and after other calls', async () => {
    const cold = place.openCold().getPubSub();
    expect(await cold.initialize()).toBe(where === 'redis');
    expect(await cold.initialize()).toBe(where === 'redis');
    const unused = place.openCold().getPubSub();
    const listener = ear();
    expect(await unused.subscribe('c', listener)).toBe(true);
    expect(await unused.publish('c', 1)).toBe(1);
    await listener.times(1);
    expect(await unused.initialize()).toBe(where === 'redis');
  });

  test('the functions of a wrong configuration reject with its error', async () => {
    const wrong = place.openCold({ url: 'http://x', logger: silent });
    const calls = [wrong.getPubSub().initialize(), wrong.getPubSub().subscribe('c', () => {}), wrong.publish('c', 1), wrong.getPubSub().messages('c').next()];
    for (const call of calls) expect((await outcomeOf(call)).code).toBe('E_INVALID_URL');
    expect(() => wrong.createSubscriber()).toThrow(expect.objectContaining({ code: 'E_INVALID_URL' }));
    await expect(wrong.getPubSub().close()).resolves.toBeUndefined();
  });
});
