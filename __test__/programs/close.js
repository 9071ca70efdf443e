'use strict';

// One scenario about close(); prints what came of it and has to end by itself.

const { createBackplane } = require('../..');

const { scenario, url } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const open = (options) => createBackplane({ url, logger: silent, commandTimeoutMs: 300, connectTimeoutMs: 600, ...options });

/** A backplane whose first attempt to connect has come to its outcome. */
async function settled(options) {
  const backplane = open(options);
  await backplane.cacheGet('settled');
  return backplane;
}

/** The value, the code of the error, or 'pending' when 3 s were not enough. */
function outcome(promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, 3000, 'pending');
  });
  const settledAs = promise.then(
    (value) => (value === undefined ? 'undefined' : value),
    (error) => error.code ?? error.message
  );
  return Promise.race([settledAs, late]).finally(() => clearTimeout(timer));
}

const outcomes = (promises) => Promise.all(promises.map(outcome));

function everyCall(backplane) {
  return [
    backplane.cacheGet('k'), backplane.cacheSet('k', 1), backplane.cacheDelete('k'), backplane.cacheDeletePattern('k'),
    backplane.cacheGetOrSet('k', () => 1), backplane.getClient().call('PING'), backplane.getClient().connect(),
  ];
}

/** Starts a load; its loader ends when `finish` is called. */
async function startLoad(backplane, key = 'loading') {
  let finish;
  const begun = new Promise((resolve) => {
    backplane.load = backplane.cacheGetOrSet(key, () => {
      resolve();
      return new Promise((end) => {
        finish = end;
      });
    });
  });
  await begun;
  return { value: backplane.load, finish };
}

const SCENARIOS = {
  async after() {
    const backplane = await settled();
    await backplane.close();
    return { calls: await outcomes(everyCall(backplane)), available: backplane.isRedisAvailable() };
  },
  async sameTick() {
    const backplane = await settled();
    const closing = backplane.close();
    return outcomes([closing, ...everyCall(backplane)]);
  },
  async twice() {
    const backplane = await settled();
    return outcomes([backplane.close(), backplane.close(), backplane.getClient().quit(), backplane.close()]);
  },
  async inFlight() {
    const backplane = await settled();
    const numbers = Array.from({ length: 3000 }, (_, i) => i);
    const sets = numbers.map((i) => backplane.cacheSet(`k${i}`, i));
    const gets = numbers.map((i) => backplane.cacheGet(`k${i}`));
    const more = [
      backplane.cacheSet('large', 'x'.repeat(1 << 20)), backplane.cacheGetOrSet('k1', () => 'loaded'), backplane.cacheDeletePattern('none*'),
      backplane.getClient().call('ECHO', 'echo'),
    ];
    const closing = backplane.close();
    const answered = await outcomes(gets);
    return {
      sets: (await outcomes(sets)).every((set) => set === true),
      gets: answered.every((value, i) => value === i),
      more: await outcomes(more),
      closing: await outcome(closing),
    };
  },
  async several() {
    const several = [await settled(), await settled(), await settled(), await settled()];
    return outcomes(several.map((backplane) => backplane.close()));
  },
  async severalCold() {
    const several = [open(), open(), open()];
    for (const backplane of several) backplane.cacheSet('k', 1);
    return outcomes(several.map((backplane) => backplane.close()));
  },
  async neighbours() {
    const [one, other] = [await settled(), await settled()];
    const calls = [other.cacheSet('a', 1), one.close(), other.cacheGet('a'), other.cacheSet('b', 'é'), one.close(), other.cacheGet('b')];
    return outcomes(calls);
  },
  async firstCall() {
    const backplane = open();
    const set = backplane.cacheSet('k', 1);
    return outcomes([set, backplane.close()]);
  },
  async handleOnly() {
    const backplane = open();
    const client = backplane.getClient();
    const ended = new Promise((resolve) => client.once('end', resolve));
    return [...(await outcomes([backplane.close(), ended])), client.status];
  },
  async unused() {
    return outcomes([open().close(), open().close()]);
  },
  async loaderEndsAfter() {
    const backplane = await settled();
    const load = await startLoad(backplane);
    const closed = await outcome(backplane.close());
    load.finish('loaded');
    return [closed, await outcome(load.value)];
  },
  async loaderEndsMeanwhile() {
    const backplane = await settled();
    const load = await startLoad(backplane);
    const closing = backplane.close();
    load.finish('loaded');
    return outcomes([closing, load.value]);
  },
  async loaderFailsAfter() {
    const backplane = await settled();
    const load = await startLoad(backplane);
    const closed = await outcome(backplane.close());
    load.finish(undefined);
    return [closed, await outcome(load.value)];
  },
  async loaderBesideOthers() {
    const [one, other] = [await settled(), await settled()];
    await other.cacheSet('k', 'of the other');
    const load = await startLoad(one);
    await outcome(one.close());
    load.finish('loaded');
    const gets = [];
    // Before and after the loaded value is sent, in the same tick.
    for (let i = 0; i < 50; i++) {
      gets.push(other.cacheGet('k'));
      await null;
    }
    const [value, ...others] = await outcomes([load.value, ...gets]);
    const result = [value, others.every((answer) => answer === 'of the other')];
    await outcome(other.close());
    return result;
  },
  /** What is made before or after the end of a backplane, and ended after it, beside the calls of the next one. */
  async lateEnds() {
    const one = await settled();
    const make = () => [one.getClient().duplicate(), one.createSubscriber(), new one.RedisPubSub()];
    const early = make();
    await Promise.all([early[0].subscribe('c'), early[2].subscribe('c', () => {})]);
    const [lock, unwatch, load] = [await one.lock('l'), await one.watchRoom('r', () => {}), await startLoad(one)];
    const iterator = early[2].messages('c');
    const next = iterator.next();
    await outcome(one.close());
    const late = [...early, ...make()];
    const ends = [
      ...late.map((handle) => () => (handle.quit ? handle.quit() : handle.close())),
      ...late.map((handle) => () => handle.subscribe('d', () => {})),
      ...late.map((handle) => () => handle.unsubscribe('c')),
      () => lock.release(), () => lock.letGo?.(), unwatch, () => load.finish('late'), () => load.value, () => iterator.return(), () => next,
      () => one.getPubSub().close(), () => one.getClient().quit(), () => one.close(), () => one.getMetrics(), () => one.health(), () => one.messageCache.clearExpired(),
      ...everyCall(one).map((call) => () => call),
    ];
    const other = open();
    const mixed = ends.map((end, i) => {
      const set = other.cacheSet(`k${i}`, i);
      return [set, outcome(Promise.resolve().then(end)), outcome((async () => end())()), other.cacheSet(`l${i}`, i)];
    });
    const sets = await outcomes(mixed.flatMap(([set, , , last]) => [set, last]));
    const ended = await Promise.all(mixed.flatMap(([, end, again]) => [end, again]));
    const gets = await outcomes(ends.flatMap((_, i) => [other.cacheGet(`k${i}`), other.cacheGet(`l${i}`)]));
    return {
      sets: new Set(sets).size === 1 && sets[0],
      gets: gets.every((value, i) => value === Math.floor(i / 2)),
      pending: ended.filter((end) => end === 'pending').length,
      closed: await outcome(other.close()),
    };
  },
  async fromHandler() {
    const backplane = open();
    const closed = new Promise((resolve) => {
      backplane.getClient().once('connect', () => resolve(backplane.close()));
    });
    return outcomes([backplane.cacheSet('k', 1), closed]);
  },
  async patternDelete() {
    const backplane = await settled({ commandTimeoutMs: 300 });
    const deletion = backplane.cacheDeletePattern('many:*');
    const closing = backplane.close();
    const closed = await outcome(closing);
    const removed = await outcome(deletion);
    return { closed, settled: removed !== 'pending' };
  },
  async resources() {
    const before = process.getActiveResourcesInfo().sort();
    const backplane = await settled();
    await outcomes(everyCall(backplane));
    await backplane.close();
    return { before, after: process.getActiveResourcesInfo().sort() };
  },
};

SCENARIOS[scenario]().then((result) => console.log(JSON.stringify(result)));
