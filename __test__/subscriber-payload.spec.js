'use strict';

// Payloads bit for bit, whose memory they are in, and the events of a handle beside messages.

const { randomBytes } = require('node:crypto');
const { ear } = require('./support/heard');
const { PLACES, onRedis, usePlace } = require('./support/places');
const { deadline, until } = require('./support');

/** What a small Buffer that is kept may keep alive with it (case 43). */
const PINNED_BYTES = 16 * 1024;

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const PAYLOADS = [
  ['every byte', EVERY_BYTE], ['a NUL', Buffer.from([0])], ['line ends', Buffer.from('\r\n\r\n$5\r\n')], ['no UTF-8', Buffer.from([0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80])],
  ['one byte', Buffer.from('x')], ['64 KiB', randomBytes(64 * 1024)], ['a byte more', randomBytes(64 * 1024 + 1)], ['1 MB', randomBytes(1 << 20)],
  ['8 MB', randomBytes(8 << 20)], ['a part of a Buffer', Buffer.concat([EVERY_BYTE, EVERY_BYTE]).subarray(100, 400)], ['a Uint8Array', new Uint8Array(EVERY_BYTE)],
];

describe.each(PLACES)('payloads on %s', (_where, start) => {
  const place = usePlace(start);
  let client;
  let subscriber;

  beforeEach(async () => {
    const backplane = await place.open();
    client = backplane.getClient();
    subscriber = backplane.createSubscriber();
  });

  const isSame = (one, other) => Buffer.compare(one, other) === 0;

  test.each(PAYLOADS)('%s comes bit for bit, in every way', async (_name, payload) => {
    const [listener, pattern, shard, events] = [ear(), ear(), ear(), ear()];
    await subscriber.subscribe('c', listener, true);
    await subscriber.pSubscribe('c*', pattern, true);
    await subscriber.sSubscribe('c', shard, true);
    subscriber.on('messageBuffer', (_channel, bytes) => events(bytes));
    await subscriber.subscribe('c');
    expect(await client.publish('c', payload)).toBe(2);
    expect(await client.spublish('c', payload)).toBe(1);
    const all = [listener, pattern, shard, events];
    await until(() => all.every(({ heard }) => heard.length === 1), { what: 'all four' });
    for (const { heard: [bytes] } of all) expect([Buffer.isBuffer(bytes), isSame(bytes, payload)]).toEqual([true, true]);
  });

  test('an empty payload comes as what it is, alone and among others', async () => {
    const [text, bytes, pattern] = [ear(), ear(), ear()];
    await subscriber.subscribe('c', text);
    expect(await deadline(client.publish('c', ''), 2000, 'publish')).toBe(1);
    await text.times(1);
    await subscriber.subscribe('c', bytes, true);
    await subscriber.pSubscribe('c*', pattern, true);
    for (const payload of [Buffer.alloc(0), 'x', '']) expect(await client.publish('c', payload)).toBe(2);
    await until(() => text.heard.length === 4 && bytes.heard.length === 3 && pattern.heard.length === 3, { what: 'all of them' });
    expect(text.heard).toEqual(['', '', 'x', '']);
    expect(bytes.heard).toEqual([Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(0)]);
    expect(pattern.heard).toEqual(bytes.heard);
  });

  test('2000 random payloads of all sizes come in order, each to its own channel', async () => {
    const sent = Array.from({ length: 2000 }, (_, i) => [`c${i % 7}`, randomBytes(1 + ((i * i) % 3000))]);
    const got = [];
    subscriber.on('pmessageBuffer', (_pattern, channel, bytes) => got.push([channel.toString(), bytes]));
    await subscriber.psubscribe('c*');
    await Promise.all(sent.map(([channel, bytes]) => client.publish(channel, bytes)));
    await until(() => got.length === sent.length, { what: 'all of them' });
    expect(got.every(([channel, bytes], i) => channel === sent[i][0] && isSame(bytes, sent[i][1]))).toBe(true);
  });

  test('20,000 messages of one byte to patterns come in order', async () => {
    const heard = [];
    await subscriber.pSubscribe('c*', (message, channel) => heard.push(message[0] + channel.length), true);
    const payloads = Array.from({ length: 256 }, (_, i) => Buffer.from([i]));
    await Promise.all(Array.from({ length: 20_000 }, (_, i) => client.publish('c', payloads[i % 256])));
    await until(() => heard.length >= 20_000, { what: 'all of them' });
    expect(heard.every((each, i) => each === (i % 256) + 1)).toBe(true);
    expect(heard).toHaveLength(20_000);
  });

  test('text that is not well-formed comes as UTF-8 has it', async () => {
    const [text, bytes] = [ear(), ear()];
    await subscriber.subscribe('c', text);
    await subscriber.subscribe('c', bytes, true);
    await client.publish('c', 'a\ud800b');
    await client.publish('c', Buffer.from([0x61, 0xff, 0x62]));
    await until(() => text.heard.length === 2 && bytes.heard.length === 2, { what: 'both' });
    expect(text.heard).toEqual(['a\ufffdb', 'a\ufffdb']);
    expect(bytes.heard).toEqual([Buffer.from('a\ufffdb'), Buffer.from([0x61, 0xff, 0x62])]);
  });

  test('a small Buffer that is kept keeps no batch alive (case 43)', async () => {
    const kept = [];
    await subscriber.subscribe('c', (message, channel) => kept.push(message, channel), true);
    subscriber.on('pmessageBuffer', (_pattern, channel, message) => kept.push(message, channel));
    await subscriber.psubscribe('c*');
    await Promise.all(Array.from({ length: 1000 }, (_, i) => client.publish('c', Buffer.alloc(50, i))));
    await until(() => kept.length === 4000, { what: 'all of them' });
    expect(Math.max(...kept.map((bytes) => bytes.buffer.byteLength))).toBeLessThanOrEqual(PINNED_BYTES);
    const contents = kept.filter((bytes) => bytes.length === 50);
    expect(contents).toHaveLength(2000);
    expect(contents.every((bytes) => bytes.every((byte) => byte === bytes[0]))).toBe(true);
  });

  test('what a listener does to its Buffer is not seen by a later message', async () => {
    const kept = [];
    await subscriber.subscribe('c', (message) => kept.push(message), true);
    await client.publish('c', 'first');
    await until(() => kept.length === 1, { what: 'the first' });
    kept[0].fill(0);
    await client.publish('c', 'second');
    await until(() => kept.length === 2, { what: 'the second' });
    expect(kept).toEqual([Buffer.alloc(5), Buffer.from('second')]);
  });

  test.each([['small', 100], ['large', 1 << 20]])('what was published can be changed at once: %s', async (_size, length) => {
    const listener = ear();
    await subscriber.subscribe('c', listener, true);
    const payload = Buffer.alloc(length, 1);
    const published = client.publish('c', payload);
    payload.fill(2);
    await published;
    await listener.times(1);
    expect(isSame(listener.heard[0], Buffer.alloc(length, 1))).toBe(true);
  });
});

describe('the events of a duplicate', () => {
  const EVENTS = ['connect', 'ready', 'error', 'close', 'reconnecting', 'end', 'gap'];
  const place = usePlace(onRedis);

  function watch(handle) {
    const names = [];
    for (const name of EVENTS) handle.on(name, () => names.push(name));
    return names;
  }

  test('connect and ready come to one that is made before, and to one that is made after', async () => {
    const backplane = place.openCold();
    const before = backplane.createSubscriber();
    const names = watch(before);
    await before.connect();
    await until(() => names.length === 2, { what: 'both' });
    const after = before.duplicate();
    expect([after.status, after.isOpen, after.isReady]).toEqual(['ready', true, true]);
    const others = watch(after);
    await until(() => others.length === 2, { what: 'both' });
    expect([names, others]).toEqual([['connect', 'ready'], ['connect', 'ready']]);
  });

  test('an outage is told to each handle, its end only to itself', async () => {
    const backplane = await place.open();
    const [one, other] = [backplane.createSubscriber(), backplane.createSubscriber()];
    const [names, others] = [watch(one), watch(other)];
    await one.subscribe('c');
    await other.subscribe('c');
    await until(() => names.length === 2, { what: 'made known' });
    await place.redis.kill();
    await until(() => names.includes('reconnecting') && others.includes('reconnecting'), { what: 'away' });
    await place.redis.restart();
    await until(() => names.includes('gap') && others.includes('gap'), { what: 'whole again' });
    await one.quit();
    expect(names.slice(-2)).toEqual(['close', 'end']);
    expect(others).not.toContain('end');
    expect(others.filter((name) => name === 'gap')).toHaveLength(1);
    await backplane.close();
    await until(() => others.includes('end'), { what: 'the end' });
    expect(names.filter((name) => name === 'end')).toHaveLength(1);
    expect(names.filter((name) => name === 'ready')).toHaveLength(2);
  });

  test('handles that have ended leave no connection, and nothing in memory of what they missed', async () => {
    const backplane = await place.open();
    const receiving = async () => (await place.redis.command('CLIENT', 'LIST', 'TYPE', 'pubsub')).split('\n').filter(Boolean).length;
    for (let i = 0; i < 100; i += 1) {
      const handle = backplane.createSubscriber();
      await handle.subscribe(`c${i}`, () => {});
      await handle.quit();
      const pubSub = backplane.getPubSub();
      await pubSub.subscribe(`c${i}`, () => {});
      await pubSub.close();
    }
    await until(async () => (await receiving()) === 0, { what: 'no connection that receives' });
    expect(await backplane.publish('c1', 1)).toBe(0);
  });

  test('an error that nobody listens to ends nothing', async () => {
    const backplane = place.openCold({ url: 'redis://127.0.0.1:1' });
    const subscriber = backplane.createSubscriber();
    let attempts = 0;
    subscriber.on('reconnecting', () => (attempts += 1));
    await until(() => attempts > 1, { what: 'two attempts' });
    expect(subscriber.status).toBe('reconnecting');
  });
});
