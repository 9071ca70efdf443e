'use strict';

// The system gives no thread, or no descriptor, for a moment: an outage like any other, which ends by itself.

const { execFileSync } = require('node:child_process');
const { startRedis, until } = require('../support');
const { startRemote } = require('../support/remote');

const NOBODY = 65534;
const isRoot = process.getuid() === 0;
/** What is asked for, and the limit that leaves none of it. */
const STARVATIONS = [
  ['threads', '--nproc'],
  ['descriptors', '--nofile'],
];

/** A name is looked up, on a thread of its own; so is this one, which needs no server of names. */
const HOSTS = { 'a name': '127.1', 'an address': '127.0.0.1' };

let redis;
let remote;

beforeEach(async () => {
  redis = await startRedis();
});

afterEach(async () => {
  await remote?.stop();
  remote = null;
  await redis.stop();
});

/** Sets the soft limit of the process, as the user that it is. */
async function setLimit(option, limit) {
  const pid = await remote.run((offered) => offered.pid);
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  execFileSync('prlimit', [`${option}=${limit}:`, '--pid', String(pid)], user);
}

const starve = (option) => setLimit(option, 1);
const feed = (option) => setLimit(option, 1024);
const status = () => remote.run(async ({ made }) => (await made().health()).status);
const isReady = () => until(() => remote.run(({ made }) => made().isRedisAvailable()), { timeoutMs: 15_000, what: 'Redis is ready' });
const isAway = () => until(async () => (await status()) === 'degraded', { what: 'Redis is away' });
const useCache = () =>
  remote.run(async ({ made }) => {
    const { cacheSet, cacheGet, cacheGetOrSet, acquireLock } = made();
    const begun = Date.now();
    const answers = await Promise.all([cacheSet('k', 1), cacheGet('k'), cacheGetOrSet('l', () => 2), acquireLock(`m${begun}`)]);
    return { answers, inTime: Date.now() - begun < 2000 };
  });
const USED = { answers: [true, 1, 2, true], inTime: true };

describe.each(STARVATIONS)('no %s', (_what, option) => {
  test('at the first call: answered from memory, and ready when there are some', async () => {
    remote = await startRemote('starved.js', { url: redis.url });
    await starve(option);
    expect(await useCache()).toEqual(USED);
    expect(await status()).toBe('degraded');
    expect(await useCache()).toEqual(USED);
    expect(await redis.command('EXISTS', 'cache:k')).toBe(0);
    await feed(option);
    await isReady();
    expect(await useCache()).toEqual(USED);
    expect(await redis.command('EXISTS', 'cache:k')).toBe(1);
  });

  test('at the first call, and close() before there are any', async () => {
    remote = await startRemote('starved.js', { url: redis.url });
    await starve(option);
    expect(await useCache()).toEqual(USED);
    expect(await remote.run(({ made }) => made().close().then(() => made().cacheGet('k')).catch(({ code }) => code))).toBe('E_CLOSED');
    await feed(option);
  });

  test.each(['a name', 'an address'])('while it reconnects to %s: tries again, and a subscriber hears of a gap', async (what) => {
    const host = HOSTS[what];
    remote = await startRemote('starved.js', { host, port: redis.port });
    expect(await remote.run(({ listen }) => listen())).toBe(true);
    await isReady();
    await starve(option);
    await redis.kill();
    await isAway();
    await redis.restart();
    // Long enough for several attempts of each connection, none of which can be made to a name.
    const attempts = () => remote.run(({ lines }) => lines.length);
    const before = await attempts();
    if (what === 'a name' || option === '--nofile') await until(async () => (await attempts()) >= before + 3, { what: 'attempts' });
    expect(await useCache()).toEqual(USED);
    await feed(option);
    await isReady();
    await until(() => remote.run(({ gaps }) => gaps.length === 1), { what: 'the gap' });
    expect(await redis.command('PUBLISH', 'c', '"after"')).toBe(1);
    await until(() => remote.run(({ heard }) => heard.includes('after')), { what: 'the message' });
  });

  test('while a subscriber connects for the first time: it hears when there are some', async () => {
    remote = await startRemote('starved.js', { host: HOSTS['a name'], port: redis.port });
    expect(await useCache()).toEqual(USED);
    await isReady();
    await starve(option);
    await remote.run(({ listen }) => listen());
    await feed(option);
    await until(async () => (await redis.command('PUBLISH', 'c', '"heard"')) === 1, { what: 'the subscription' });
    await until(() => remote.run(({ heard }) => heard.includes('heard')), { what: 'the message' });
  });
});
