'use strict';

// Calls every function of the package, as often as it is told, on three backplanes: two that share
// their keys, and one with the options that those do not have. The parent process causes the faults
// and asks for the results.

const { getEventListeners } = require('node:events');
const fs = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { serve } = require('../../__test__/support/remote');
const { until } = require('../../__test__/support/until');
const { Ears, expectEachOnce } = require('./ears');
const { Holders } = require('./holders');
const { Instance } = require('./instance');
const { RoomView } = require('./room-view');
const { CHANNELS } = require('./rounds/pubsub');
const { KEYS } = require('./rounds/locks');
const { ROOMS } = require('./rounds/presence');
const { SocketIo } = require('./socketio');
const { Worker } = require('./worker');

const { urls, prefixes, calls, seed, pauseMs } = JSON.parse(process.argv[2]);
const WORKERS_EACH = 24;
const SAMPLES = 1000;
const MOST_WRONG = 50;
/** After an outage no socket is reported as left before this time. */
const LEAVE_GRACE_MS = 15_000;
const WAIT_MS = 50;
const MOST_WAITS = 100;

const resources = () => process.getActiveResourcesInfo().sort();
const threads = () => (process.platform === 'linux' ? fs.readdirSync('/proc/self/task').length : 0);

// The state once tasks are listened to.
process.channel.ref();
const before = resources();
const wrong = { count: 0, told: [] };
const samples = [];
let made = 0;
let work = null;

function tell(what) {
  wrong.count += 1;
  if (wrong.told.length < MOST_WRONG) wrong.told.push(what);
}

function counted() {
  made += 1;
  if (made % Math.ceil(calls / SAMPLES) === 0) samples.push({ rss: process.memoryUsage.rss(), threads: threads() });
}

const options = [{ locks: { onUnavailable: 'deny' } }, { locks: { onUnavailable: 'deny' } }, { localCache: {}, presence: { heartbeat: true } }];
const instances = ['a', 'b', 'c'].map((name, i) =>
  new Instance({ name, url: urls[i], keyPrefix: prefixes[i], tell: counted, ...options[i] }));
const [a, b, c] = instances;
c.isKeptAlive = true;

const holders = new Map([[prefixes[0], new Holders(tell)], [prefixes[2], new Holders(tell)]]);
const world = {
  tell,
  peers: new Map([[a, b], [b, a]]),
  ears: new Map(instances.map((x) => [x, new Ears(x, tell)])),
  servers: new Map(),
  /** Sockets whose removal is uncertain. */
  leftBehind: [],
  namesInUse: new Set(),
  /** Never aborts. */
  patience: new AbortController(),
  /** Raw commands, by code. */
  rejected: {},
  pauseMs,
  prefixOf: (x) => prefixes[instances.indexOf(x)],
  holdersOf: (x) => holders.get(world.prefixOf(x)),
  isOver: () => made >= calls,
};
const views = [];

async function begin() {
  for (const x of instances) await until(() => x.isReady, { what: `${x.name} is ready` });
  for (const x of instances) {
    world.servers.set(x, new SocketIo(x, tell));
    for (const room of ROOMS) {
      const view = new RoomView(`${x.name} watches ${room}`, tell);
      await x.call('watchRoom', room, view.take);
      views.push(view);
    }
  }
  const workers = instances.flatMap((x) => Array.from({ length: WORKERS_EACH }, (_, i) => new Worker({ x, world, number: i, seed })));
  work = Promise.all(workers.map((worker) => worker.work()));
  return { listeners: a.client.listenerCount('reconnecting') };
}

/** All faults are over: everything that should be alive is, once; what was removed is gone. */
async function examine() {
  await work;
  for (const x of instances) await until(() => x.isReady, { what: `${x.name} is ready` });
  let ears = 0;
  for (const group of [[a, b], [c]]) {
    const theirs = group.map((x) => world.ears.get(x));
    ears += await expectEachOnce(group[0], theirs, CHANNELS, tell);
    const counts = await group[0].client.sendCommand(['PUBSUB', 'NUMSUB', ...CHANNELS]);
    for (const [i, channel] of CHANNELS.entries()) {
      const wanted = theirs.reduce((sum, each) => sum + each.wanted(channel), 0);
      if (counts[2 * i + 1] !== wanted) tell(`${channel}: ${counts[2 * i + 1]} subscriptions on the server, not ${wanted}`);
    }
  }
  return ears;
}

/** Undoes everything that lasts, like a server that shuts down cleanly. */
async function takeBack() {
  for (const [x, user, socket] of world.leftBehind) {
    if (!(await x.call('removePresence', user, socket))) tell('presence: not removed, and Redis is there');
  }
  for (const x of instances) {
    for (const room of ROOMS) {
      const there = await x.call('getOnlineUsersInRoom', room);
      if (there.length > 0) tell(`presence: ${x.name} has ${there} in ${room} after everybody was removed`);
    }
  }
  await until(() => views.every(({ size }) => size === 0), { timeoutMs: LEAVE_GRACE_MS, what: 'nobody is left in a watched room' })
    .catch((error) => tell(error.message));
  for (const x of [a, c]) {
    for (const key of KEYS) {
      const lock = await x.backplane.lock(key, { waitMs: 5000 });
      if (lock === null) tell(`lock ${key}: nobody has it, and nobody gets it`);
      else await lock.release();
    }
    await x.call('cacheDeletePattern', '*');
    await x.call('queryCache.invalidate', '*');
    await x.call('messageCache.clear');
  }
  for (const x of instances) {
    await world.ears.get(x).endAll();
    await world.servers.get(x).close();
  }
}

/** None of our own timers is among them. */
async function resourcesAtRest() {
  for (let waits = 0; waits < MOST_WAITS && String(resources()) !== String(before); waits += 1) await sleep(WAIT_MS);
  return resources();
}

async function end() {
  const listeners = {
    client: a.client.listenerCount('reconnecting'),
    signal: getEventListeners(world.patience.signal, 'abort').length,
    gap: a.backplane.getPubSub().listenerCount('gap'),
  };
  for (const x of instances) await x.act('close', () => x.backplane.close());
  return { listeners, resources: { before, after: await resourcesAtRest() } };
}

function figures() {
  const sum = (what) => instances.reduce((total, x) => total + what(x), 0);
  return {
    calls: sum((x) => x.calls),
    met: sum((x) => x.met),
    outages: sum((x) => x.outages),
    longestMs: Math.round(Math.max(...instances.map((x) => x.longestMs))),
    broken: instances.flatMap((x) => x.broken.slice(0, MOST_WRONG).map((each) => ({ instance: x.name, ...each }))),
    complaints: instances.flatMap((x) => x.complaints.slice(0, MOST_WRONG)),
    unused: a.unused,
    used: Object.fromEntries(Object.keys({ ...a.used, ...b.used, ...c.used }).sort().map((name) => [name, sum((x) => x.used[name] ?? 0)])),
    events: views.reduce((total, { events }) => total + events, 0),
    rejected: world.rejected,
    wrong,
    samples,
  };
}

serve({ begin, end, examine, figures, instances, takeBack, isOver: world.isOver, made: () => made, stop: () => {} });
