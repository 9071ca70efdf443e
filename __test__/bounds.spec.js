'use strict';

// Everything that is kept in this process is counted in bytes, and bounded. `BOUNDS_SECONDS=60` for the long form.

const { FUNCTIONS, KEPT, ONCE, namesOf } = require('./support/every-function');
const { onMemory } = require('./support/places');
const { resultOf } = require('./support/program');
const { startProxy, until } = require('./support');
const library = require('..');

const MB = 1024 * 1024;
const SECONDS = Number(process.env.BOUNDS_SECONDS ?? 4);
const IS_LONG = SECONDS >= 60;
/** Of the process for itself. */
const BESIDE = 40 * MB;
/** Of what has bounds of its own, here three times 4 MB. */
const OWN = 12 * MB;
/** What a short run on a busy machine may need more. */
const SLACK = 60 * MB;
/** The load makes much garbage, for which V8 would take 30 MB more than it needs. */
const NODE_ARGS = ['--expose-gc', '--max-semi-space-size=1'];
const EXAMPLE = { maxBytes: 8 * MB };

let place;

beforeAll(async () => {
  place = await onMemory();
});

afterEach(() => place.clear());

const bounded = ({ kinds }) => Object.keys(KEPT).reduce((sum, kind) => sum + kinds[kind], 0);

test('the load has every function, and metrics have every kind', async () => {
  const names = namesOf(library).sort();
  expect([...Object.keys(FUNCTIONS), ...Object.keys(ONCE)].sort()).toEqual(names);
  const cold = place.openCold();
  const before = cold.getMetrics().memory;
  await cold.cacheGet('k');
  const { memory } = cold.getMetrics();
  expect(Object.keys(memory.kinds).sort()).toEqual(Object.keys(before.kinds).sort());
  expect(memory.bytes).toBe(Object.values(memory.kinds).reduce((sum, bytes) => sum + bytes, 0));
});

test.each(IS_LONG ? [8, 256] : [64])(
  'a load of all functions with long keys stays within the bound of %i MiB',
  async (megabytes) => {
    const maxBytes = megabytes * MB;
    const argument = { seconds: SECONDS, maxBytes };
    const options = { nodeArgs: NODE_ARGS, timeoutMs: (SECONDS + 60) * 1000 };
    const { calls, before, after, mostRss, told, last } = await resultOf('bounds.js', argument, options);
    const grown = { rss: after.rss - before.rss, native: after.native - before.native };
    const mb = (bytes) => (bytes / MB).toFixed(1);
    console.log(
      `${calls} calls in ${SECONDS} s: RSS ${mb(before.rss)} → ${mb(after.rss)} MB, at most ${mb(mostRss)}; without JavaScript's ` +
        `+${mb(grown.native)}, told ${mb(last.bytes)}, at most ${mb(told.most)}; ${JSON.stringify(told.kinds)}`
    );
    expect(told.mostOfBudget).toBeLessThanOrEqual(maxBytes);
    expect(told.mostOfBudget).toBeGreaterThan(maxBytes / 2);
    expect(grown.rss).toBeLessThan(maxBytes + OWN + BESIDE + (IS_LONG ? 0 : SLACK));
    if (!IS_LONG) return;
    expect(mostRss - before.rss).toBeLessThan(maxBytes + OWN + BESIDE);
    // What the process needs for itself is more than a tenth of little: src/backplane/bounds.rs asks the allocator.
    if (megabytes === 256) expect(Math.abs(last.bytes - grown.native)).toBeLessThan(grown.native / 10);
  },
  (SECONDS + 90) * 1000
);

test('what misses of queries leave is counted, whatever the length of the names', async () => {
  const { queryCache, getMetrics } = await place.open({ memory: EXAMPLE });
  const rss = process.memoryUsage.rss();
  for (let i = 0; i < 6000; i += 50) {
    const reads = Array.from({ length: 50 }, (_, at) => queryCache.get('q', { roomId: `${i + at}:${'x'.repeat(60_000)}` }));
    await Promise.all(reads);
    expect(bounded(getMetrics().memory)).toBeLessThanOrEqual(EXAMPLE.maxBytes);
  }
  expect(getMetrics().memory.kinds.tags).toBeGreaterThan(1 * MB);
  expect(process.memoryUsage.rss() - rss).toBeLessThan(EXAMPLE.maxBytes + 200 * MB);
});

test('beyond the bound nobody gets a lock, and nobody loses one', async () => {
  const { acquireLock, releaseLock, getMetrics } = await place.open({ memory: EXAMPLE });
  const held = [];
  for (let i = 0; i < 30_000; i += 1000) {
    const names = Array.from({ length: 1000 }, (_, at) => `lock:${i + at}`);
    const got = await Promise.all(names.map((name) => acquireLock(name, 3600)));
    held.push(...names.filter((_, at) => got[at]));
    expect(bounded(getMetrics().memory)).toBeLessThanOrEqual(EXAMPLE.maxBytes);
  }
  expect(held.length).toBeGreaterThan(1000);
  expect(held.length).toBeLessThan(30_000);
  const again = await Promise.all(held.map((name) => acquireLock(name, 3600)));
  expect(again.filter(Boolean)).toEqual([]);
  await Promise.all(held.map(releaseLock));
  const { locks, leases } = getMetrics().memory.kinds;
  expect([locks, leases]).toEqual([0, 0]);
  expect(await acquireLock('another', 3600)).toBe(true);
});

test('values make room for what cannot go, and have it again', async () => {
  const cache = await place.open({ memory: EXAMPLE });
  const fill = () => Promise.all(Array.from({ length: 200 }, (_, i) => cache.cacheSet(`k${i}`, 'x'.repeat(50_000))));
  await fill();
  const full = cache.getMetrics().memory.kinds.values;
  expect(full).toBeGreaterThan(6 * MB);
  const sockets = Array.from({ length: 60 }, (_, i) => `${i}`);
  const set = await Promise.all(sockets.map((id) => cache.setPresence(id, id, { text: 'x'.repeat(50_000) }, 3600)));
  expect(set).toEqual(sockets.map(() => true));
  const squeezed = cache.getMetrics().memory;
  expect(squeezed.kinds.values).toBeLessThan(full - 2 * MB);
  expect(squeezed.bytes).toBeLessThanOrEqual(EXAMPLE.maxBytes);
  await Promise.all(sockets.map((id) => cache.removePresence(id, id)));
  await fill();
  expect(cache.getMetrics().memory.kinds.values).toBeGreaterThan(6 * MB);
});

test('beyond the bound a socket is not taken, and those that were stay', async () => {
  const { setPresence, isUserOnline, removePresence } = await place.open({ memory: EXAMPLE });
  const ids = Array.from({ length: 40 }, (_, i) => `${i}`);
  const set = await Promise.all(ids.map((id) => setPresence(id, id, { text: 'x'.repeat(200_000) }, 3600)));
  expect(set.filter(Boolean).length).toBeGreaterThan(10);
  expect(set).toContain(false);
  expect(await Promise.all(ids.map(isUserOnline))).toEqual(set);
  await removePresence('0', '0');
  expect(await setPresence('another', 'another', { text: 'x'.repeat(200_000) }, 3600)).toBe(true);
});

test('subscriptions are counted, never refused, and values make room for them', async () => {
  const it = await place.open({ memory: EXAMPLE });
  await Promise.all(Array.from({ length: 200 }, (_, i) => it.cacheSet(`k${i}`, 'x'.repeat(50_000))));
  const { values } = it.getMetrics().memory.kinds;
  const channels = Array.from({ length: 50 }, (_, i) => `${i}:${'x'.repeat(30_000)}`);
  const subscribed = await Promise.all(channels.map((channel) => it.getPubSub().subscribe(channel, () => {})));
  expect(subscribed).toEqual(channels.map(() => true));
  const { kinds } = it.getMetrics().memory;
  expect(kinds.subscriptions).toBeGreaterThan(2 * 50 * 30_000);
  expect(kinds.values).toBeLessThan(values - 2 * MB);
  expect(bounded({ kinds })).toBeLessThanOrEqual(EXAMPLE.maxBytes);
  await Promise.all(channels.map((channel) => it.getPubSub().unsubscribe(channel)));
  expect(it.getMetrics().memory.kinds.subscriptions).toBe(0);
});

test('subscriptions of a handle that is ended are given back', async () => {
  const it = await place.open();
  const handle = it.createSubscriber();
  await handle.psubscribe('x'.repeat(30_000));
  await handle.subscribe('y'.repeat(30_000));
  expect(it.getMetrics().memory.kinds.subscriptions).toBeGreaterThan(5 * 30_000);
  await handle.quit();
  await until(() => it.getMetrics().memory.kinds.subscriptions === 0);
});

test('who is in a room that is watched is counted', async () => {
  const it = await place.open();
  const sockets = Array.from({ length: 20 }, (_, i) => `${i}`);
  const set = (id) => it.setPresence('u', id, { roomId: 'r', text: 'x'.repeat(50_000) });
  await Promise.all(sockets.slice(0, 10).map(set));
  const end = await it.watchRoom('r', () => {});
  const { watches } = it.getMetrics().memory.kinds;
  expect(watches).toBeGreaterThan(10 * 50_000);
  await Promise.all(sockets.map(set));
  await until(() => it.getMetrics().memory.kinds.watches > 1.8 * watches);
  await Promise.all(sockets.map((id) => it.removePresence('u', id)));
  await until(() => it.getMetrics().memory.kinds.watches < 50_000);
  await end();
  await until(() => it.getMetrics().memory.kinds.watches === 0);
});

test('what calls under way keep is counted', async () => {
  const silence = await startProxy(1);
  silence.blackhole();
  try {
    const it = place.openCold({ url: silence.url });
    const calls = Array.from({ length: 20 }, (_, i) => it.cacheSet(`${i}`, 'x'.repeat(50_000)));
    await until(() => it.getMetrics().memory.kinds.calls > 20 * 50_000);
    await Promise.all(calls);
    await until(() => it.getMetrics().memory.kinds.calls === 0);
  } finally {
    silence.close();
  }
});

test('what waits in an iterator is counted', async () => {
  const it = await place.open();
  const iterator = it.getPubSub().messages('c');
  const first = iterator.next();
  const publish = () => it.publish('c', 'x'.repeat(10_000));
  await until(async () => (await publish()) === 1);
  expect((await first).value.data).toHaveLength(10_000);
  await Promise.all(Array.from({ length: 20 }, publish));
  await until(() => it.getMetrics().memory.kinds.iterators >= 20 * 10_000);
  const { memory } = it.getMetrics();
  expect(memory.bytes).toBe(Object.values(memory.kinds).reduce((sum, bytes) => sum + bytes, 0));
  await iterator.return();
  expect(it.getMetrics().memory.kinds.iterators).toBe(0);
});
