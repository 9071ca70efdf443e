'use strict';

// Wrong arguments, messages that are not JSON, and what comes after the end of a RedisPubSub.

const { outcomeOf } = require('./support/deferred');
const { ear, heardUpToNow } = require('./support/heard');
const { quietLogger } = require('./support/log');
const { PLACES, usePlace } = require('./support/places');
const { deadline } = require('./support');

const cycle = {};
cycle.cycle = cycle;

const NOT_CHANNELS = [
  undefined, null, 5, NaN, true, {}, [], ['c'], () => 'c', Symbol('c'), 1n, Object('c'), Buffer.from('c'), '', 'c'.repeat(64 * 1024 + 1),
  'é'.repeat(32 * 1024 + 1), '\ud800', 'a\udc00',
];
const NOT_CALLBACKS = [undefined, null, 'c', {}, Promise.resolve(), 1, [() => {}]];
const NOT_JSON = [
  undefined, () => 1, Symbol('s'), 1n, { a: [1n] }, cycle, { toJSON: () => undefined }, { toJSON() { throw new Error('provoked by a test'); } },
  'x'.repeat(64 * 1024 * 1024 - 1),
];
const SECRET = 'a secret that no log may hold';
const NOT_JSON_TEXTS = [
  SECRET, `{"a":"${SECRET}"`, `["${SECRET}"],`, `1,"${SECRET}"`, ']', '[', ',', '1,2', 'NaN', 'undefined', "'a'", '{a:1}', '\ufeff1', '\0', '1 2', '""""',
  Buffer.from([0xff, 0xfe]), Buffer.from([0xc3, 0x28]), Buffer.from(`"${SECRET}\xff"`, 'latin1'),
];

describe.each(PLACES)('misuse of publish and subscribe on %s', (_where, start) => {
  const place = usePlace(start);
  let backplane;
  let pubSub;
  let log;
  let listener;

  beforeEach(async () => {
    log = quietLogger();
    backplane = await place.open({ logger: log });
    pubSub = backplane.getPubSub();
    listener = ear();
    await pubSub.subscribe('c', listener);
  });

  const heard = () => heardUpToNow((marker) => backplane.publish('c', marker), listener);

  async function expectRejected(code, values, calls) {
    for (const value of values) {
      for (const call of calls) {
        let promise;
        expect(() => {
          promise = call(value);
        }).not.toThrow();
        const { error } = await outcomeOf(promise);
        expect([error?.code, error instanceof TypeError || error instanceof RangeError]).toEqual([code, true]);
      }
    }
    expect(await heard()).toEqual([]);
  }

  test('a channel that is none', () =>
    expectRejected('E_INVALID_CHANNEL', NOT_CHANNELS, [
      (channel) => backplane.publish(channel, 1), (channel) => pubSub.publish(channel, 1), (channel) => pubSub.subscribe(channel, () => {}),
      (channel) => pubSub.unsubscribe(channel), (channel) => pubSub.unsubscribe(channel, () => {}), (channel) => pubSub.messages(channel).next(),
    ]));

  test('a callback that is none', () =>
    expectRejected('E_INVALID_CALLBACK', NOT_CALLBACKS, [
      (callback) => pubSub.subscribe('c', callback),
      (callback) => pubSub.unsubscribe('c', callback === undefined ? null : callback),
    ]));

  test('options of messages() that are none', () =>
    expectRejected('E_INVALID_OPTION', [null, { signal: {} }, { signal: 'now' }], [(options) => pubSub.messages('c', options).next()]));

  test('a message that JSON cannot hold', () =>
    expectRejected('E_INVALID_VALUE', NOT_JSON, [(message) => backplane.publish('c', message), (message) => pubSub.publish('c', message)]));

  test('the largest channel and message that are allowed', async () => {
    const channel = 'é'.repeat(32 * 1024);
    const lengths = ear();
    await pubSub.subscribe(channel, (text) => lengths(text.length));
    expect(await pubSub.publish(channel, 'x'.repeat(16 << 20))).toBe(1);
    await lengths.times(1);
    expect(lengths.heard).toEqual([16 << 20]);
  });

  test('messages that are not JSON are logged without their content, and dropped; their neighbours come', async () => {
    const client = backplane.getClient();
    const texts = NOT_JSON_TEXTS.flatMap((text, i) => [text, JSON.stringify({ i, text: 'é' })]);
    const counts = await Promise.all(texts.map((text) => client.publish('c', text)));
    expect(counts).toEqual(texts.map(() => 1));
    expect(await heard()).toEqual(NOT_JSON_TEXTS.map((_, i) => ({ i, text: 'é' })));
    expect(log.lines.length).toBeGreaterThanOrEqual(NOT_JSON_TEXTS.length);
    expect(log.text).not.toContain(SECRET);
    expect(log.text).not.toContain('secret');
  });

  test('an empty message is not JSON either', async () => {
    const client = backplane.getClient();
    for (const payload of ['', Buffer.alloc(0)]) expect(await client.publish('c', payload)).toBe(1);
    expect(await heard()).toEqual([]);
  });

  test('a callback that fails is logged without the message', async () => {
    await pubSub.subscribe('c', () => {
      throw new Error('provoked by a test');
    });
    await pubSub.subscribe('c', async () => {
      throw new Error('provoked by a test');
    });
    await pubSub.publish('c', SECRET);
    expect(await heard()).toEqual([SECRET]);
    const lines = log.lines.filter(({ level }) => level === 'error');
    expect(lines.length).toBeGreaterThanOrEqual(2);
    expect(log.text).not.toContain(SECRET);
  });

  async function expectClosed(closed) {
    const calls = [closed.initialize(), closed.subscribe('c', () => {}), closed.unsubscribe('c'), closed.publish('c', 1), closed.messages('c').next()];
    for (const call of calls) expect((await outcomeOf(call)).code).toBe('E_CLOSED');
    expect(closed.isClosed).toBe(true);
  }

  test('close ends it at once, can be called again, and leaves the backplane and others alone', async () => {
    const other = new backplane.RedisPubSub();
    const others = ear();
    await other.subscribe('c', others);
    expect(pubSub.isClosed).toBe(false);
    const published = backplane.publish('c', 1);
    const closing = pubSub.close();
    await expectClosed(pubSub);
    await published;
    expect([await closing, await pubSub.close()]).toEqual([undefined, undefined]);
    expect(await heardUpToNow((marker) => backplane.publish('c', marker), others)).toEqual([1]);
    expect(listener.heard).toEqual([]);
    expect(await backplane.cacheSet('k', 1)).toBe(true);
    await deadline(other.close(), 1000, 'close');
  });

  test('after close there is a new one, without the subscriptions of the old one', async () => {
    await pubSub.close();
    const next = backplane.getPubSub();
    expect(next).not.toBe(pubSub);
    expect([next.isClosed, next instanceof backplane.RedisPubSub, backplane.getPubSub()]).toEqual([false, true, next]);
    const again = ear();
    expect(await next.subscribe('c', again)).toBe(true);
    expect(await heardUpToNow((marker) => next.publish('c', marker), again)).toEqual([]);
    expect(listener.heard).toEqual([]);
  });

  test('the end of the backplane is its end', async () => {
    const [open, unused] = [pubSub, new backplane.RedisPubSub()];
    await backplane.close();
    await expectClosed(open);
    await expectClosed(unused);
    await expectClosed(backplane.getPubSub());
    await expect(backplane.publish('c', 1)).rejects.toMatchObject({ code: 'E_CLOSED' });
    await Promise.all([open.close(), unused.close(), backplane.getPubSub().close()]);
  });

  test('closing before the first use, and at once after it', async () => {
    const cold = place.openCold();
    const unused = cold.getPubSub();
    await unused.close();
    await expectClosed(unused);
    const used = cold.getPubSub();
    const subscribing = outcomeOf(used.subscribe('c', listener));
    await used.close();
    expect(Object.keys(await deadline(subscribing, 3100, 'an outcome'))).toContain('value');
    expect(await cold.publish('c', 1)).toBe(0);
  });
});
