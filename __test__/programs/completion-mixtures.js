'use strict';

// Mixtures of all that a completion can hold: answers, messages and events, over stored bytes of every kind,
// through the real queue. Each is compared with what plain JavaScript makes of the same bytes.
// Prints how many there were; a failure names its seed and the smallest case.

const assert = require('node:assert');
const { isDeepStrictEqual } = require('node:util');
const fc = require('fast-check');
const { readJson, stored } = require('../support/arbitraries');
const { deadline, until } = require('../support/until');
const { RespClient } = require('../../scripts/resp-client');
const { createBackplane } = require('../..');
const { queue } = require('../../lib/queue');

const { url, port, answers, seed } = JSON.parse(process.argv[2]);
const NOBODY = 'redis://127.0.0.1:1';
const RUNS_A_ROUND = 50;
const CALLS_A_CASE = 1500;
const PLACES = 24;
/** Enough that its answer comes as bytes. */
const CROWD = 1100;
const PATIENCE_MS = 10_000;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const wire = new RespClient(port);
const open = (options) => createBackplane({ url, logger: silent, commandTimeoutMs: PATIENCE_MS, ...options });
const redis = open();
const memory = open({ url: NOBODY });
const heard = { json: [], text: [], bytes: [], channels: [] };
let taken = 0;

const loaded = (i) => ({ loaded: i });
const failing = () => Promise.reject(Object.assign(new Error('of the test'), { code: 'E_TEST' }));
const noted = (i) => `é"\\${i}`;
const summary = (present) => present.map(({ userId, note }) => userId + note).sort().join();
const everybody = summary(Array.from({ length: CROWD }, (_, i) => ({ userId: `u${i}`, note: noted(i) })));

/** What each kind of call does in a place, and what it may answer by what is stored there. Some do more, rarely. */
const CALLS = {
  get: [(i) => redis.cacheGet(`k${i}`), ({ value }, i) => (value === undefined ? [null, loaded(i)] : [value])],
  load: [(i) => redis.cacheGetOrSet(`k${i}`, () => loaded(i)), ({ value }, i) => [value === undefined ? loaded(i) : value]],
  loadStale: [(i) => redis.cacheGetOrSet(`stale${i}`, failing, { staleSeconds: 60 }), ({ value }) => [value === undefined ? 'E_TEST' : value]],
  loadNew: [(i) => redis.cacheGetOrSet(`new${i}`, () => loaded(i)), (_stored, i) => [loaded(i)]],
  raw: [(i) => redis.getClient().call('GET', `raw${i}`), ({ bytes }) => [bytes.toString()]],
  rawList: [(i) => redis.getClient().call('MGET', `raw${i}`, 'none'), ({ bytes }) => [[bytes.toString(), null]]],
  rawError: [() => redis.getClient().call('NOSUCH'), () => ['E_REPLY']],
  query: [(i) => redis.queryCache.get('none', { i }), () => [null]],
  session: [(i) => redis.sessionCache.getSession(`none${i}`), () => [null]],
  online: [(i) => redis.isUserOnline(i % 2 ? `u${i}` : 'none'), (_stored, i) => [i % 2 === 1]],
  limit: [(i) => redis.checkRateLimit(`l${i}`, 1e9).then(({ limit }) => limit), () => [1e9]],
  reset: [(i) => redis.resetRateLimit(`r${i}`), () => [undefined]],
  crowd: [
    (_i, isRare) => (isRare ? redis.getRoomPresence('crowd').then(summary) : redis.countOnlineUsersInRoom('crowd')),
    (_stored, _i, isRare) => [isRare ? everybody : CROWD],
  ],
  fromMemory: [(i) => memory.cacheGet(`k${i}`), ({ value }) => [value === undefined ? null : JSON.parse(JSON.stringify(value))]],
  event: [(_i, isRare) => (isRare ? linesOfAnOutage() : redis.cacheGet('none')), (_stored, _i, isRare) => [isRare ? 1 : null]],
  publish: [(i) => wire.command('PUBLISH', 'news', all[i].bytes), () => [3]],
  notUnderstood: [(i) => queue().send(i % 2 ? 1e6 : 1, 0, 'téxt', 'value', 1, 2), () => ['E_INTERNAL']],
};
const KINDS = Object.keys(CALLS);
let all = [];

/** How often a backplane that finds no server says so. */
async function linesOfAnOutage() {
  let lines = 0;
  const alone = open({ url: NOBODY, logger: { ...silent, warn: () => lines++ } });
  await alone.cacheGet('none');
  await alone.close();
  return lines;
}

const told = (text) => String(text).slice(0, 200);

function isSame(read, expected) {
  if (typeof read !== 'object') return Object.is(read, expected);
  return isDeepStrictEqual(read, expected) && JSON.stringify(read) === JSON.stringify(expected);
}

/** What stands behind the value of an entry that is past its time. */
async function staleTrailer() {
  await redis.cacheGetOrSet('sample', () => 1, { ttlSeconds: 0.001, staleSeconds: 3600 });
  return (await wire.commandBuffer('GET', 'cache:sample')).subarray(1);
}

async function store(trailer) {
  const writes = all.flatMap(({ bytes }, i) => [
    wire.command('SET', `cache:k${i}`, bytes),
    wire.command('SET', `cache:stale${i}`, Buffer.concat([bytes, trailer])),
    wire.command('DEL', `cache:new${i}`),
    wire.command('SET', `raw${i}`, bytes),
  ]);
  const kept = all.map(({ value }, i) => (value === undefined ? memory.cacheDelete(`k${i}`) : memory.cacheSet(`k${i}`, value)));
  await Promise.all([...writes, ...kept]);
}

async function tryCase(contents, plan, trailer) {
  all = contents.map((bytes) => ({ bytes, value: readJson(bytes) }));
  await store(trailer);
  for (const list of Object.values(heard)) list.length = 0;
  const calls = plan.map((number) => {
    const kind = KINDS[number % KINDS.length];
    const place = Math.floor(number / KINDS.length);
    const i = place % all.length;
    const isRare = place === 0;
    const [call, expect] = CALLS[kind];
    const answer = call(i, isRare).catch((error) => error.code ?? error);
    return { kind, i, expected: expect(all[i], i, isRare), answer };
  });
  const read = await deadline(Promise.all(calls.map(({ answer }) => answer)), PATIENCE_MS, 'all answers');
  calls.forEach(({ kind, i, expected }, n) => {
    if (!expected.some((one) => isSame(read[n], one))) assert.fail(`${kind} of ${told(all[i].bytes)}: ${told(JSON.stringify(read[n]))}`);
  });
  const published = calls.filter(({ kind }) => kind === 'publish').map(({ i }) => all[i]);
  await compareMessages(published);
  taken += calls.length + 3 * published.length;
}

/** Heard by three: as JSON where it is, as text and bytes, by a pattern. */
async function compareMessages(published) {
  const asJson = published.filter(({ value }) => value !== undefined);
  const { json, text, bytes, channels } = heard;
  const isHeard = () => json.length >= asJson.length && [text, bytes, channels].every((list) => list.length >= published.length);
  await until(isHeard, { what: 'all messages' });
  assert(json.length === asJson.length && asJson.every(({ value }, n) => isSame(json[n], value)), 'messages as JSON');
  assert.deepEqual(text, published.map((one) => one.bytes.toString()), 'messages as text');
  assert(published.every((one, n) => one.bytes.equals(bytes[n])), 'messages as bytes');
  assert(channels.every((channel) => channel === 'news'), 'the channel of messages by a pattern');
}

async function listen() {
  await redis.getPubSub().subscribe('news', (data) => heard.json.push(data));
  const subscriber = redis.createSubscriber();
  subscriber.on('message', (_channel, message) => heard.text.push(message));
  subscriber.on('messageBuffer', (_channel, message) => heard.bytes.push(message));
  await subscriber.subscribe('news');
  const byPattern = redis.createSubscriber();
  byPattern.on('pmessage', (_pattern, channel) => heard.channels.push(channel));
  await byPattern.psubscribe('ne*');
  return [subscriber, byPattern];
}

async function main() {
  const subscribers = await listen();
  await Promise.all(Array.from({ length: CROWD }, (_, i) => redis.setPresence(`u${i}`, `s${i}`, { roomId: 'crowd', note: noted(i) }, 3600)));
  const trailer = await staleTrailer();
  const plans = fc.array(fc.nat(KINDS.length * PLACES - 1), { minLength: 1, maxLength: CALLS_A_CASE, size: 'max' });
  const contents = fc.array(stored, { minLength: 1, maxLength: PLACES, size: 'max' });
  const property = fc.asyncProperty(contents, plans, (some, plan) => tryCase(some, plan, trailer));
  for (let round = 0; taken < answers; round++) await fc.assert(property, { seed: seed + round, numRuns: RUNS_A_ROUND });
  await Promise.all(subscribers.map((subscriber) => subscriber.quit()));
  await Promise.all([redis.close(), memory.close()]);
  wire.close();
  console.log(JSON.stringify({ taken, seed }));
}

main();
