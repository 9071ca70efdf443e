'use strict';

// The iterator of a channel, and what is dropped when messages come faster than they are taken.

const { ear, heardUpToNow } = require('./support/heard');
const { PLACES, usePlace } = require('./support/places');
const { deadline, until } = require('./support');
const { outcomeOf } = require('./support/deferred');

describe.each(PLACES)('messages() on %s', (_where, start) => {
  const place = usePlace(start);
  let backplane;
  let pubSub;

  beforeEach(async () => {
    backplane = await place.open();
    pubSub = backplane.getPubSub();
  });

  const receivers = async (channel = 'c') => (await backplane.getClient().sendCommand(['PUBSUB', 'NUMSUB', channel]))[1];
  const isSubscribed = () => until(async () => (await receivers()) === 1, { what: 'subscribed' });
  const isUnsubscribed = () => until(async () => (await receivers()) === 0, { what: 'unsubscribed' });

  /** An iterator that is subscribed, and waits for its first message. */
  async function waiting(options) {
    const iterator = pubSub.messages('c', options);
    const next = iterator.next();
    await isSubscribed();
    return { iterator, next };
  }

  test('gives every message in order, with its channel, and ends with the loop', async () => {
    const seen = [];
    const looping = (async () => {
      for await (const message of pubSub.messages('c')) {
        seen.push(message);
        if (seen.length === 1000) break;
      }
    })();
    await isSubscribed();
    await Promise.all(Array.from({ length: 1500 }, (_, i) => pubSub.publish('c', i)));
    await looping;
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => ({ data: i, channel: 'c' })));
    expect(await receivers()).toBe(0);
    expect(await pubSub.publish('c', 'nobody')).toBe(0);
  });

  test('works as the very first use of a backplane', async () => {
    const cold = place.openCold().getPubSub();
    const next = cold.messages('c').next();
    await until(async () => (await cold.publish('c', 1)) === 1, { what: 'subscribed' });
    expect((await deadline(next, 2000, 'the message')).value).toEqual({ data: 1, channel: 'c' });
  });

  test('subscribes at its first step, not before', async () => {
    const iterator = pubSub.messages('c');
    expect(await pubSub.publish('c', 'before')).toBe(0);
    const next = iterator.next();
    await isSubscribed();
    await pubSub.publish('c', 'after');
    expect(await next).toEqual({ done: false, value: { data: 'after', channel: 'c' } });
    expect(await iterator.return()).toEqual({ done: true, value: undefined });
    expect(await receivers()).toBe(0);
  });

  test('values that end other loops are values: null, false, 0 and an empty text', async () => {
    const values = [null, false, 0, '', [], {}];
    const { iterator, next } = await waiting();
    for (const value of values) await pubSub.publish('c', value);
    const seen = [(await next).value.data];
    while (seen.length < values.length) seen.push((await iterator.next()).value.data);
    expect(seen).toEqual(values);
  });

  test('an error in the loop ends it', async () => {
    const looping = (async () => {
      for await (const { data } of pubSub.messages('c')) throw new Error(data);
    })();
    const outcome = outcomeOf(looping);
    await isSubscribed();
    await pubSub.publish('c', 'provoked by a test');
    expect((await outcome).error.message).toBe('provoked by a test');
    await isUnsubscribed();
  });

  test('several of one channel each get everything; the end of one is not that of the others', async () => {
    const { iterator: one, next: first } = await waiting();
    const other = pubSub.messages('c');
    const second = other.next();
    const listener = ear();
    await pubSub.subscribe('c', listener);
    await pubSub.publish('c', 1);
    expect([(await first).value.data, (await second).value.data]).toEqual([1, 1]);
    await one.return();
    await pubSub.publish('c', 2);
    expect((await other.next()).value.data).toBe(2);
    await other.return();
    expect(await heardUpToNow((marker) => pubSub.publish('c', marker), listener)).toEqual([1, 2]);
  });

  test.each([['an Error', new Error('reason')], ['a text', 'reason'], ['the default', undefined]])(
    'a signal that is aborted before: %s',
    async (_what, reason) => {
      const signal = AbortSignal.abort(reason);
      expect((await outcomeOf(pubSub.messages('c', { signal }).next())).error).toBe(signal.reason);
      expect(await receivers()).toBe(0);
    }
  );

  test('a signal that is aborted while it waits', async () => {
    const controller = new AbortController();
    const { iterator, next } = await waiting({ signal: controller.signal });
    const reason = { any: 'thing' };
    const outcome = outcomeOf(next);
    controller.abort(reason);
    expect((await outcome).error).toBe(reason);
    await isUnsubscribed();
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  test('a signal that is aborted without a reason given, while the loop is busy', async () => {
    const controller = new AbortController();
    const seen = [];
    const looping = (async () => {
      for await (const { data } of pubSub.messages('c', { signal: controller.signal })) {
        seen.push(data);
        controller.abort(undefined);
      }
    })();
    const outcome = outcomeOf(looping);
    await isSubscribed();
    await pubSub.publish('c', 1);
    expect((await outcome).error).toBe(controller.signal.reason);
    expect(seen).toEqual([1]);
    await isUnsubscribed();
  });

  test('a signal that outlives many loops keeps none of them', async () => {
    const { signal } = new AbortController();
    let added = 0;
    const [add, remove] = [signal.addEventListener, signal.removeEventListener];
    signal.addEventListener = (...args) => ((added += 1), add.apply(signal, args));
    signal.removeEventListener = (...args) => ((added -= 1), remove.apply(signal, args));
    for (let i = 0; i < 5; i += 1) {
      const { iterator, next } = await waiting({ signal });
      await pubSub.publish('c', i);
      await next;
      await iterator.return();
    }
    expect(added).toBe(0);
  });

  test.each([['the pubsub', () => pubSub.close()], ['the backplane', () => backplane.close()]])(
    'ends without an error when %s is closed: waiting, busy, and not begun',
    async (_what, close) => {
      const { next } = await waiting();
      const busy = pubSub.messages('c');
      const first = busy.next();
      await pubSub.publish('c', 1);
      expect([(await first).value.data, (await next).value.data]).toEqual([1, 1]);
      const idle = pubSub.messages('other').next();
      const notBegun = pubSub.messages('c');
      await until(async () => (await receivers('other')) === 1, { what: 'subscribed' });
      await close();
      expect(await deadline(idle, 1000, 'the end')).toEqual({ done: true, value: undefined });
      expect(await deadline(busy.next(), 1000, 'the end')).toEqual({ done: true, value: undefined });
      expect((await outcomeOf(notBegun.next())).code).toBe('E_CLOSED');
    }
  );

  test('a loop that is slower loses the oldest beyond maxQueued, which is a gap', async () => {
    const small = await place.open({ pubsub: { maxQueued: 10 } });
    const slow = small.getPubSub();
    const gaps = [];
    slow.on('gap', (gap) => gaps.push(gap));
    const iterator = slow.messages('c');
    const first = iterator.next();
    const listener = ear();
    await slow.subscribe('c', listener);
    const before = Date.now();
    await slow.publish('c', 'first');
    expect((await first).value.data).toBe('first');
    // One by one: none of them waits where callbacks lose messages, too.
    for (let i = 0; i < 25; i += 1) {
      await slow.publish('c', i);
      await listener.times(i + 2);
    }
    expect(gaps).toEqual([]);
    const seen = [];
    while (seen.length < 10) seen.push((await iterator.next()).value.data);
    expect(seen).toEqual([15, 16, 17, 18, 19, 20, 21, 22, 23, 24]);
    expect(gaps).toEqual([{ since: expect.any(Number), until: expect.any(Number), reason: 'overflow', dropped: 15 }]);
    expect(before <= gaps[0].since && gaps[0].since <= gaps[0].until && gaps[0].until <= Date.now()).toBe(true);
  });

  test.each([
    ['text', (text) => text],
    ['a list of short ones', (text) => text.match(/.{10}/g)],
    ['names', (text) => ({ [text]: null })],
    ['depth', (text) => [[[{ deep: [text] }]]]],
  ])('a loop that is slower loses the oldest beyond maxQueuedBytes: %s', async (_what, make) => {
    const BYTES = 100_000;
    const small = await place.open({ pubsub: { maxQueuedBytes: BYTES } });
    const slow = small.getPubSub();
    const gaps = [];
    slow.on('gap', (gap) => gaps.push(gap));
    const iterator = slow.messages('c');
    const first = iterator.next();
    const listener = ear();
    await slow.subscribe('c', listener);
    await slow.publish('c', 'first');
    await first;
    for (let i = 0; i < 20; i += 1) {
      await slow.publish('c', [i, make('x'.repeat(20_000))]);
      await listener.times(i + 2);
    }
    await slow.publish('c', 'last');
    await listener.times(22);
    const seen = [];
    do seen.push((await iterator.next()).value.data);
    while (seen.at(-1) !== 'last');
    const kept = seen.slice(0, -1);
    expect(JSON.stringify(kept).length).toBeLessThanOrEqual(BYTES);
    expect(kept.map(([i]) => i)).toEqual(Array.from({ length: kept.length }, (_, i) => 20 - kept.length + i));
    expect(kept.length).toBeGreaterThan(0);
    expect(gaps).toEqual([expect.objectContaining({ reason: 'overflow', dropped: 20 - kept.length })]);
  });

  test('one message that is larger than maxQueuedBytes is kept', async () => {
    const small = await place.open({ pubsub: { maxQueuedBytes: 100_000 } });
    const slow = small.getPubSub();
    const iterator = slow.messages('c');
    const first = iterator.next();
    const listener = ear();
    await slow.subscribe('c', listener);
    await slow.publish('c', 'first');
    await first;
    for (const [i, size] of [10, 90_000].entries()) {
      await slow.publish('c', ['x'.repeat(size)]);
      await listener.times(i + 2);
    }
    expect((await iterator.next()).value.data[0]).toHaveLength(10);
    expect((await iterator.next()).value.data[0]).toHaveLength(90_000);
  });

  test('callbacks that are slower lose the oldest beyond maxQueued, counted, in order', async () => {
    const COUNT = 5000;
    const small = await place.open({ pubsub: { maxQueued: 10 } });
    const slow = small.getPubSub();
    const gaps = [];
    slow.on('gap', (gap) => gaps.push(gap));
    const listener = ear();
    await slow.subscribe('c', listener);
    await Promise.all(Array.from({ length: COUNT }, (_, i) => slow.publish('c', { i, text: 'x'.repeat(100) })));
    await slow.publish('c', { i: COUNT });
    await until(() => listener.heard.at(-1)?.i === COUNT, { what: 'the last' });
    const numbers = listener.heard.map(({ i }) => i);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    const dropped = gaps.reduce((sum, gap) => sum + gap.dropped, 0);
    expect(numbers.length + dropped).toBe(COUNT + 1);
    expect(gaps.every((gap) => gap.reason === 'overflow' && gap.dropped > 0 && gap.since <= gap.until)).toBe(true);
  });

  test('a gap listener that throws hurts no other; once and off work', async () => {
    const small = await place.open({ pubsub: { maxQueued: 1 } });
    const slow = small.getPubSub();
    const [every, never, once] = [ear(), ear(), ear()];
    slow.on('gap', () => {
      throw new Error('provoked by a test');
    });
    expect(slow.on('gap', never).off('gap', never).once('gap', once).on('gap', every)).toBe(slow);
    const iterator = slow.messages('c');
    const first = iterator.next();
    const listener = ear();
    await slow.subscribe('c', listener);
    await slow.publish('c', 0);
    await first;
    for (let round = 0; round < 2; round += 1) {
      for (let i = 0; i < 3; i += 1) await slow.publish('c', i);
      await heardUpToNow((marker) => slow.publish('c', marker), listener);
      await iterator.next();
    }
    expect([every.heard.length, never.heard.length, once.heard.length]).toEqual([2, 0, 1]);
  });
});
