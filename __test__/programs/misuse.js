'use strict';

// Calls every public function with right arguments in which one is replaced by something hostile, and tells what broke:
// a synchronous throw, a rejection without a code, a promise that does not settle, anything uncaught. What there is to
// call is found in the exports themselves: a function that has no row in `ROWS` is told as missing.

const EventEmitter = require('node:events');
const { createBackplane, ...flat } = require('../..');
const { values } = require('../support/hostile');

const { url } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const LATE_MS = 8000;
const FILES = ['redisClient', 'redisPubSub', 'messageCache', 'sessionCache', 'queryCache', 'presenceService'];
/** Each option once. */
const OPTIONS = {
  url, host: 'localhost', port: 6379, username: 'u', password: 'p', tls: { ca: 'x', servername: 'h' }, keyPrefix: 'p:', connectTimeoutMs: 100, commandTimeoutMs: 100,
  memory: { maxEntries: 1, maxBytes: 1 }, pubsub: { maxQueued: 1, maxQueuedBytes: 1 }, locks: { onUnavailable: 'local' }, presence: { heartbeat: true },
  localCache: { maxEntries: 1, maxBytes: 1, ttlSeconds: 1 }, queryCache: { degradedTtlSeconds: 1 }, messageCache: { maxEntries: 1, maxBytes: 1, ttlSeconds: 1 }, logger: silent,
};

const loader = () => 1;
const callback = () => {};
const query = ['q', { roomId: 'r', list: [1] }];
const lockOptions = { ttlSeconds: 1, waitMs: 0, signal: new AbortController().signal };
const options = { ttlSeconds: 1, staleSeconds: 1, loaderTimeoutMs: 1000 };
const limit = ['r', 5, 1, { algorithm: 'fixed-window', cost: 1 }];
const subscription = [['c', 'd'], callback, true];
const socket = ['u', 's', { roomId: ['r'] }, 1];

/** Right arguments of each function; `calls` are those that run a function of the caller's, which may reject with anything. */
const ROWS = {
  cacheGet: ['k'], cacheSet: ['k', { a: [1] }, 1], cacheDelete: ['k'], cacheDeletePattern: ['p*'], cacheGetOrSet: ['k', loader, options],
  checkRateLimit: limit, resetRateLimit: ['r'], acquireLock: ['a', 1], releaseLock: ['a'], lock: ['l', lockOptions], withLock: ['w', lockOptions, callback],
  setPresence: socket, removePresence: ['u', 's'], isUserOnline: ['u'], areUsersOnline: [['u', 'v']], getUserPresence: ['u'], getLastSeen: ['u'],
  getOnlineUsersInRoom: ['r'], countOnlineUsersInRoom: ['r'], getRoomPresence: ['r'], watchRoom: ['r', callback], publish: ['c', { a: 1 }],
  createSubscriber: [], getPubSub: [], socketIoAdapter: [{ sharded: false }], isRedisAvailable: [], getMetrics: [], prometheusMetrics: [], health: [], getClient: [],
  close: [], createBackplane: [OPTIONS],
  'messageCache.generateHash': ['t', 'a', 'b'], 'messageCache.get': ['h'], 'messageCache.set': ['h', { a: 1 }], 'messageCache.clearExpired': [], 'messageCache.clear': [], 'messageCache.getStats': [],
  'queryCache.get': query, 'queryCache.set': [...query, { a: 1 }, 1], 'queryCache.getOrSet': [...query, loader, 1], 'queryCache.invalidate': ['q*'], 'queryCache.invalidateQuery': ['q'], 'queryCache.invalidateRoom': ['r'],
  'sessionCache.getSession': ['s'], 'sessionCache.setSession': ['s', { userId: 'u', email: 'e' }, 1], 'sessionCache.deleteSession': ['s'], 'sessionCache.invalidateUserSessions': ['u'],
  'PresenceService.setOnline': ['u', 's', 'r'], 'PresenceService.setOffline': ['u', 's'], 'PresenceService.isOnline': ['u'], 'PresenceService.getOnlineUsers': ['r'], 'PresenceService.refreshPresence': ['u', 's', 'r'],
  'RedisPubSub.initialize': [], 'RedisPubSub.subscribe': ['c', callback], 'RedisPubSub.unsubscribe': ['c', callback], 'RedisPubSub.publish': ['c', { a: 1 }],
  'RedisPubSub.messages': ['c', { signal: new AbortController().signal }], 'RedisPubSub.close': [], 'RedisPubSub.ended': [], 'RedisPubSub.missed': [{}],
  'Client.connect': [], 'Client.ping': [], 'Client.call': ['ECHO', 'x'], 'Client.sendCommand': [['ECHO', 'x']], 'Client.duplicate': [], 'Client.quit': [], 'Client.disconnect': [],
  'Client.publish': ['c', Buffer.from('m')], 'Client.spublish': ['c', 'm'], 'Client.sPublish': ['c', 'm'], 'Client.missed': [{}], 'Client.ended': [],
  'Lock.extend': [1], 'Lock.release': [], 'Lock.letGo': [], 'Lock.lost': [], 'Lock.asyncDispose': [],
};
for (const name of ['subscribe', 'psubscribe', 'pSubscribe', 'ssubscribe', 'sSubscribe']) ROWS[`Client.${name}`] = subscription;
for (const name of ['unsubscribe', 'punsubscribe', 'pUnsubscribe', 'sunsubscribe', 'sUnsubscribe']) ROWS[`Client.${name}`] = subscription;

/** They are no async functions, and throw, always with a code. */
const THROWING = ['messageCache.generateHash', 'socketIoAdapter', 'getClient', 'createSubscriber', 'isRedisAvailable'];
/** They run what the caller gives in these places, and reject with what it throws; or with the reason of its signal. */
const RUNNING = { cacheGetOrSet: [1], 'queryCache.getOrSet': [2], withLock: [1, 2], lock: [1], 'RedisPubSub.messages': [1] };
/** They end what they belong to, so each call has one of its own. */
const ENDING = /^(close|RedisPubSub\.(close|ended)|Client\.(quit|disconnect|ended)|Lock\.)/;

const broken = new Set();
process.on('uncaughtException', (error) => broken.add(`uncaught: ${current}: ${error?.message}`));
process.on('unhandledRejection', (error) => broken.add(`unhandled: ${current}: ${error?.message}`));
/** What is called just now. */
let current = '';

const open = () => createBackplane({ url, logger: silent, connectTimeoutMs: 1000, commandTimeoutMs: 2000, keyPrefix: `misuse:${process.pid}:` });

/** The names of the methods of a class, with those of its prototypes up to `end`. */
function methodsOf(object, end) {
  const names = new Set();
  for (let one = object; one !== null && one !== end; one = Object.getPrototypeOf(one)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(one))) if (typeof value === 'function' && name !== 'constructor') names.add(name);
  }
  return [...names];
}

/** Everything there is to call on a backplane, by its name, as a function of its arguments. */
async function callables(backplane) {
  const found = { createBackplane: (given) => outcomeOfFirstCall(given) };
  const add = (prefix, object, names) => {
    for (const name of names) found[`${prefix}${name}`] = (...args) => object[name](...args);
  };
  const isClass = (value) => typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
  for (const [name, value] of Object.entries(backplane)) {
    if (isClass(value)) {
      const made = new value();
      add(`${name}.`, made, methodsOf(made, made instanceof EventEmitter ? EventEmitter.prototype : Object.prototype));
    } else if (typeof value === 'function') add('', backplane, [name]);
    else add(`${name}.`, value, methodsOf(value, Object.prototype));
  }
  const client = backplane.createSubscriber();
  client.on('error', () => {});
  add('Client.', client, methodsOf(client, EventEmitter.prototype));
  const lock = await backplane.lock(`k${(locks += 1)}`);
  add('Lock.', lock, methodsOf(lock, Object.prototype));
  found['Lock.asyncDispose'] = () => lock[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]();
  return found;
}

let locks = 0;

/** Options are read by the first call. */
async function outcomeOfFirstCall(given) {
  const backplane = createBackplane(given);
  try {
    return await backplane.cacheGet('k');
  } finally {
    await backplane.close();
  }
}

/** Right arguments with each of them, and each part of those that have parts, replaced once. */
function* misuses(right) {
  for (let i = 0; i < right.length; i++) {
    for (const [title, make] of values()) {
      yield [i, `argument ${i} is ${title}`, right.with ? right.with(i, make()) : right.map((one, j) => (j === i ? make() : one))];
      for (const part of typeof right[i] === 'object' && !Buffer.isBuffer(right[i]) ? Object.keys(right[i]) : []) {
        const changed = Array.isArray(right[i]) ? [...right[i]] : { ...right[i] };
        changed[part] = make();
        yield [i, `${part} of argument ${i} is ${title}`, right.map((one, j) => (j === i ? changed : one))];
      }
    }
    yield [i, `argument ${i} and all after it are missing`, right.slice(0, i)];
  }
  for (const [title, make] of values()) yield [right.length, `one argument too many is ${title}`, [...right, make()]];
}

/** Whoever waits for a lock is not to wait for this one. */
async function letGo(value) {
  if (typeof value?.release === 'function') await value.release().catch(() => {});
}

async function judge(name, what, call, args, place) {
  const told = `${name}: ${what}`;
  let result;
  try {
    result = call(...args);
  } catch (error) {
    if (!THROWING.includes(name) || typeof error?.code !== 'string') broken.add(`throws: ${told}: ${error?.message}`);
    return;
  }
  if (typeof result?.[Symbol.asyncIterator] === 'function') {
    const next = result.next();
    result.return();
    result = next;
  }
  if (!(result instanceof Promise)) return;
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, LATE_MS, 'late');
  });
  const outcome = await Promise.race([result.then(letGo, (error) => ({ error })), late]);
  clearTimeout(timer);
  if (outcome === 'late') broken.add(`does not settle: ${told}`);
  else if (outcome && !RUNNING[name]?.includes(place) && !/^E_[A-Z_]+$/.test(outcome.error?.code)) broken.add(`rejects without a code: ${told}: ${outcome.error?.message}`);
}

async function main() {
  const backplane = open();
  await backplane.cacheSet('stays', 1);
  const found = await callables(backplane);
  const missing = Object.keys(found).filter((name) => !(name in ROWS));
  const exported = new Set(Object.keys({ ...flat, createBackplane }));
  for (const file of FILES) for (const name of Object.keys(require(`../../modules/${file}`))) exported.add(name);
  for (const name of exported) {
    const isKnown = name in ROWS || Object.keys(ROWS).some((row) => row.startsWith(`${name}.`) || row.endsWith(`.${name}`));
    if (!isKnown) missing.push(name);
  }
  const gone = Object.keys(ROWS).filter((name) => !(name in found));
  let calls = 0;
  for (const [name, right] of Object.entries(ROWS)) {
    if (!(name in found)) continue;
    const pending = [];
    for (const [place, what, args] of misuses(right)) {
      current = `${name}: ${what}`;
      const own = ENDING.test(name) ? open() : undefined;
      const call = own ? (await callables(own))[name] : found[name];
      pending.push(judge(name, what, call, args, place).then(() => own?.close()));
      calls += 1;
      if (pending.length >= 50 || own) await Promise.all(pending.splice(0));
    }
    await Promise.all(pending);
    if ((await backplane.cacheGet('stays')) !== 1) broken.add(`other calls: ${name}`);
    await backplane.cacheSet('stays', 1);
  }
  await backplane.close();
  console.log(JSON.stringify({ missing, gone, broken: [...broken], calls }));
  // What a hostile function has left running (a `then` that never calls back) is nobody's.
  process.exit();
}

main();
