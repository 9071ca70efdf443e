'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { freePort, until } = require('../support');
const { outcomeOf } = require('../support/deferred');
const { aborts, areWaiting, waitersOf } = require('../support/locks');
const { away, back, isAway, isReady, isStable, useStage } = require('../support/stage');

const DEADLINE_MS = 300;
/** What a noisy machine may add. */
const LATE_MS = 500;
const HELD = { ttlSeconds: 30 };
const forever = { ...HELD, waitMs: Infinity };

describe('locks in an outage', () => {
  const stage = useStage();

  /** Another process, which sees Redis all the time. */
  async function another({ redis }) {
    const other = stage.backplane({ url: redis.url });
    await isReady(other);
    return other;
  }

  /** The server knows the scripts from now on: what is called is carried out with its first command. */
  async function warm({ backplane }) {
    await backplane.withLock('warm', (lock) => lock.extend());
  }

  const holderOf = ({ redis }, key = 'k') => redis.command('GET', `lock:${key}`);
  const leftOf = ({ redis }, key = 'k') => redis.command('PTTL', `lock:${key}`);

  async function within(ms, call) {
    const begun = performance.now();
    const answer = await call;
    expect(performance.now() - begun).toBeLessThan(ms);
    return answer;
  }

  it('away: locks exclude each other within this process, in order, and at once', async () => {
    const all = await stage.ready();
    const { backplane } = all;
    await away(all);
    expect([await within(100, backplane.acquireLock('a')), await backplane.acquireLock('a'), await backplane.lock('a')]).toEqual([true, false, null]);
    const first = await backplane.lock('k', HELD);
    const order = [];
    const waiting = [1, 2, 3].map((i) => backplane.withLock('k', ({ fence }) => order.push([i, fence])));
    expect([await first.extend(), await first.release()]).toEqual([true, true]);
    await Promise.all(waiting);
    expect(order.map(([i]) => i)).toEqual([1, 2, 3]);
    expect([...order].sort((a, b) => a[1] - b[1])).toEqual(order);
    expect(order[0][1]).toBeGreaterThan(first.fence);
    expect(await backplane.releaseLock('a')).toBeUndefined();
    expect(await backplane.acquireLock('a')).toBe(true);
  });

  it('away with deny: nobody gets a lock, at once; who waits gets it when Redis is back', async () => {
    const all = await stage.ready({ locks: { onUnavailable: 'deny' } });
    const { backplane } = all;
    await away(all);
    expect([await within(100, backplane.acquireLock('k')), await within(100, backplane.lock('k'))]).toEqual([false, null]);
    expect(await within(100 + LATE_MS, backplane.lock('k', { waitMs: 100 }))).toBeNull();
    expect((await outcomeOf(backplane.withLock('k', { waitMs: 0 }, () => 'ran'))).code).toBe('E_NOT_LOCKED');
    const waiting = backplane.lock('k', forever);
    await back(all);
    const lock = await within(LATE_MS, waiting);
    expect(await holderOf(all)).toBe(lock.token);
  });

  it('what Redis has granted stays taken within this process, and on Redis when it is back', async () => {
    const all = await stage.ready();
    const { backplane } = all;
    const held = await backplane.lock('k', HELD);
    await backplane.acquireLock('named', 30);
    await away(all);
    expect([await backplane.acquireLock('k'), await backplane.lock('k', { waitMs: 50 }), await backplane.acquireLock('named')]).toEqual([false, null, false]);
    expect([await held.extend(), held.signal.aborted]).toEqual([false, false]);
    await back(all);
    expect([await holderOf(all), held.signal.aborted, await held.extend(), await held.release()]).toEqual([held.token, false, true, true]);
    await backplane.releaseLock('named');
    expect(await holderOf(all, 'named')).toBeNull();
  });

  it('a lock of this process is one on Redis when that is back, with its token and what is left', async () => {
    const all = await stage.ready();
    const { backplane } = all;
    const other = await another(all);
    await away(all);
    const held = await backplane.lock('k', { ttlSeconds: 20 });
    expect(await backplane.acquireLock('named', 20)).toBe(true);
    await sleep(200);
    await back(all);
    for (const key of ['k', 'named']) {
      expect(await leftOf(all, key)).toBeLessThanOrEqual(19_800);
      expect(await leftOf(all, key)).toBeGreaterThan(10_000);
      expect(await other.acquireLock(key)).toBe(false);
    }
    expect([await holderOf(all), held.signal.aborted]).toEqual([held.token, false]);
    const waiting = other.lock('k', forever);
    expect([await held.extend(), await held.release()]).toEqual([true, true]);
    expect((await waiting).fence).toBeGreaterThan(held.fence);
    await backplane.releaseLock('named');
    expect(await other.acquireLock('named')).toBe(true);
  });

  it('a lock of this process that another has on Redis is lost when that is back', async () => {
    const all = await stage.ready();
    const other = await another(all);
    await away(all);
    const [held, unread] = [await all.backplane.lock('k', HELD), await all.backplane.lock('l', HELD)];
    const { signal } = held;
    const theirs = [await other.lock('k', HELD), await other.lock('l', HELD)];
    await back(all);
    expect((await aborts(signal)).code).toBe('E_LOCK_LOST');
    expect([unread.signal.aborted, await held.extend(), await held.release()]).toEqual([true, false, false]);
    expect([await holderOf(all), await holderOf(all, 'l')]).toEqual(theirs.map(({ token }) => token));
  });

  it('what is released while Redis is away is free there when it is back', async () => {
    const all = await stage.ready();
    const { backplane } = all;
    const other = await another(all);
    const held = await backplane.lock('k', HELD);
    await backplane.acquireLock('named', 30);
    await backplane.withLock('with', () => away(all));
    const waiting = other.lock('k', forever);
    await held.release();
    await backplane.releaseLock('named');
    expect(await backplane.acquireLock('named')).toBe(true);
    await backplane.releaseLock('named');
    await back(all);
    expect(await within(LATE_MS, waiting)).not.toBeNull();
    expect([await holderOf(all, 'named'), await holderOf(all, 'with')]).toEqual([null, null]);
  });

  it('withLock goes on through an outage that is shorter than its lease', async () => {
    const all = await stage.ready();
    const other = await another(all);
    await all.backplane.withLock('k', { ttlSeconds: 3 }, async ({ signal }) => {
      for (let i = 0; i < 2; i += 1) {
        await away(all);
        await sleep(500);
        await back(all);
        await sleep(1500);
        expect([signal.aborted, await other.acquireLock('k')]).toEqual([false, false]);
      }
    });
    expect(await other.acquireLock('k')).toBe(true);
  });

  it('withLock is told before its lease ends when Redis stays away', async () => {
    const all = await stage.ready();
    const other = await another(all);
    await all.backplane.withLock('k', { ttlSeconds: 1 }, async ({ signal }) => {
      const waiting = other.lock('k', forever);
      await away(all);
      await waiting;
      expect([signal.aborted, signal.reason.code]).toEqual([true, 'E_LOCK_LOST']);
    });
  });

  it('restarted empty: what is held is there again, whoever waits stays in order', async () => {
    const all = await stage.ready({ proxied: false });
    const { backplane, redis } = all;
    const held = await backplane.lock('k', HELD);
    const order = [];
    const waiting = Array.from({ length: 20 }, (_, i) => backplane.withLock('k', forever, ({ fence }) => order.push([i, fence])));
    await areWaiting(redis, '', 'k', 20);
    await redis.kill();
    await isAway(backplane);
    await redis.restart();
    await isReady(backplane);
    expect([await holderOf(all), held.signal.aborted]).toEqual([held.token, false]);
    await areWaiting(redis, '', 'k', 20);
    expect(await held.release()).toBe(true);
    await Promise.all(waiting);
    expect(order.map(([i]) => i)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect([...order].sort((a, b) => a[1] - b[1])).toEqual(order);
    expect([await holderOf(all), await waitersOf(redis, '', 'k')]).toEqual([null, 0]);
  });

  it('killed and restarted again and again while many wait: one holder at a time, and all get it', async () => {
    const all = await stage.ready({ proxied: false });
    let inside = 0;
    let done = 0;
    const running = Array.from({ length: 60 }, () => all.backplane.withLock('k', forever, async () => {
      inside += 1;
      expect(inside).toBe(1);
      await sleep(20);
      inside -= 1;
      done += 1;
    }));
    for (const goal of [10, 30]) {
      await until(() => done >= goal);
      await all.redis.kill();
      await isAway(all.backplane);
      await all.redis.restart();
      await isReady(all.backplane);
    }
    await Promise.all(running);
    expect(done).toBe(60);
  });

  it('case 4: a server that is stopped: extend is false in time, and the signal aborts by itself', async () => {
    const all = await stage.ready({ proxied: false });
    const held = await all.backplane.lock('k', { ttlSeconds: 1.5 });
    const { signal } = held;
    all.redis.pause();
    const begun = performance.now();
    expect(await within(DEADLINE_MS + 100, held.extend(1.5))).toBe(false);
    expect((await aborts(signal)).code).toBe('E_LOCK_LOST');
    expect(performance.now() - begun).toBeLessThan(1500 + LATE_MS);
    all.redis.resume();
    await isReady(all.backplane);
    expect(await all.backplane.lock('k', { waitMs: 3000 })).not.toBeNull();
  });

  it('case 7: on a slow network a short wait is over with its first answer', async () => {
    const all = await stage.ready();
    const other = await another(all);
    await other.lock('k', HELD);
    all.proxy.delay(DEADLINE_MS / 2 - 10);
    expect(await within(DEADLINE_MS + 200, all.backplane.lock('k', { ...HELD, waitMs: 8 }))).toBeNull();
  });

  it('case 4: a server that is stopped for less than the deadline: the call succeeds, late', async () => {
    const all = await stage.ready({ proxied: false });
    all.redis.pause();
    const taking = all.backplane.lock('k', HELD);
    await sleep(100);
    all.redis.resume();
    const lock = await taking;
    expect([await holderOf(all), await lock.release()]).toEqual([lock.token, true]);
  });

  it.each(['lock', 'acquireLock'])('cases 2 and 45: the answer to %s is lost: it is asked for again, and has one holder', async (name) => {
    const all = await stage.ready();
    const other = await another(all);
    await warm(all);
    await isStable(all.redis);
    all.proxy.stallReplies();
    const taking = all.backplane[name]('k', name === 'lock' ? HELD : 30);
    await until(() => holderOf(all));
    const token = await holderOf(all);
    all.proxy.flow();
    all.proxy.onReply(() => null);
    all.proxy.cut();
    all.proxy.onReply(() => {});
    const taken = await taking;
    expect(name === 'lock' ? taken.token : taken && token).toBe(token);
    await isReady(all.backplane);
    expect([await holderOf(all), await other.acquireLock('k')]).toEqual([token, false]);
    await (name === 'lock' ? taken.release() : all.backplane.releaseLock('k'));
    expect(await other.acquireLock('k')).toBe(true);
  });

  it('an acquisition that nobody has heard of is given back', async () => {
    const all = await stage.ready({ locks: { onUnavailable: 'deny' } });
    await warm(all);
    all.proxy.stallReplies();
    expect(await within(DEADLINE_MS + 100, all.backplane.acquireLock('k'))).toBe(false);
    expect(await holderOf(all)).not.toBeNull();
    all.proxy.cut();
    await back(all);
    expect(await holderOf(all)).toBeNull();
  });

  it.each([['acquireLock', (backplane) => backplane.acquireLock('k', 30)], ['lock', (backplane) => backplane.lock('k', HELD)], ['withLock', (backplane) => outcomeOf(backplane.withLock('k', { ...HELD, waitMs: 0 }, () => {}))]])(
    'a server that is slow but there: what %s did not get in time is not held for long',
    async (_name, call) => {
      const all = await stage.ready({ args: ['--enable-debug-command', 'yes'], proxied: false });
      const sleeping = stage.client(all.redis).command('DEBUG', 'SLEEP', '0.45');
      const taken = await within(DEADLINE_MS + 100, call(all.backplane));
      await sleeping;
      await isReady(all.backplane);
      if (taken?.release) await taken.release();
      if (taken === true) await all.backplane.releaseLock('k');
      await until(async () => (await holderOf(all)) === null, { timeoutMs: 3000, what: 'free' });
    }
  );

  it('a server that is slow but there: what is released is free', async () => {
    const all = await stage.ready({ args: ['--enable-debug-command', 'yes'], proxied: false });
    const held = await all.backplane.lock('k', HELD);
    const sleeping = stage.client(all.redis).command('DEBUG', 'SLEEP', '0.45');
    await within(DEADLINE_MS + 100, held.release());
    await sleeping;
    await until(async () => (await holderOf(all)) === null, { timeoutMs: 3000, what: 'free' });
  });

  it('a release whose request is lost is carried out', async () => {
    const all = await stage.ready();
    const held = await all.backplane.lock('k', HELD);
    all.proxy.stall();
    await within(DEADLINE_MS + 100, held.release());
    all.proxy.cut();
    await back(all);
    expect(await holderOf(all)).toBeNull();
  });

  it('two extensions of which the second goes unanswered: the signal goes by the shorter', async () => {
    const all = await stage.ready();
    const other = await another(all);
    await warm(all);
    const held = await all.backplane.lock('k', HELD);
    const { signal } = held;
    // The first answer comes when both are carried out; the second does not.
    let isOver = false;
    all.proxy.onReply((chunk) => {
      if (isOver) return null;
      isOver = chunk.toString().startsWith(':1');
      return chunk;
    });
    all.proxy.stallReplies();
    const longer = held.extend(60);
    await until(async () => (await leftOf(all)) > 50_000);
    const shorter = held.extend(1);
    await until(async () => (await leftOf(all)) < 2000);
    all.proxy.flow();
    expect(await longer).toBe(true);
    all.proxy.refuse();
    all.proxy.cut();
    expect(await shorter).toBe(false);
    expect(await other.lock('k', { waitMs: 5000 })).not.toBeNull();
    expect(signal.aborted).toBe(true);
  });

  it('an extension while the lock is taken on Redis again: the signal goes by the shorter', async () => {
    const all = await stage.ready();
    const other = await another(all);
    await warm(all);
    await away(all);
    const held = await all.backplane.lock('k', { ttlSeconds: 2 });
    const { signal } = held;
    all.proxy.delay(60);
    await all.proxy.accept();
    await until(async () => (await holderOf(all)) === held.token, { everyMs: 0 });
    await held.extend(30);
    all.proxy.delay(0);
    await isReady(all.backplane);
    const next = await other.lock('k', { waitMs: 4000 });
    expect(next !== null && !signal.aborted).toBe(false);
  });

  it('a server that was never there, and comes', async () => {
    const port = await freePort();
    const backplane = stage.backplane({ url: `redis://127.0.0.1:${port}` });
    const held = await backplane.lock('k', HELD);
    const waiting = backplane.lock('k', forever);
    const redis = await stage.redis({ port });
    await isReady(backplane);
    expect([await redis.command('GET', 'lock:k'), held.signal.aborted]).toEqual([held.token, false]);
    await areWaiting(redis, '', 'k', 1);
    expect(await held.release()).toBe(true);
    expect((await waiting).fence).toBeGreaterThan(held.fence);
  });

  it('case 7: on a slow network locks are kept, given on, and a lease\'s validity shrinks', async () => {
    const all = await stage.ready();
    all.proxy.delay(100);
    const held = await all.backplane.lock('k', { ttlSeconds: 0.6 });
    const waiting = all.backplane.lock('k', { waitMs: 5000, ttlSeconds: 5 });
    await aborts(held.signal);
    expect(await leftOf(all)).toBeGreaterThan(0);
    expect(await (await waiting).release()).toBe(true);
  });
});
