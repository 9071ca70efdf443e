'use strict';

const { randomUUID } = require('node:crypto');

const OLD = ['h:set', 'h:deleted', 'h:pattern:1', 'h:pattern:2', 'h:loaded', 'h:set-and-deleted'];
const CHANGED = [...OLD, 'h:new'];
const UNTOUCHED = 'h:untouched';
const FOREIGN = 'h:foreign';

function unwanted() {
  throw new Error('a value that is there must not be loaded');
}

/** Uses each documented function and expects the right answers, wherever they come from. */
async function expectService(backplane) {
  const key = `service:${randomUUID()}`;
  const loaded = `${key}:loaded`;
  expect(await backplane.cacheGet(key)).toBeNull();
  expect(await backplane.cacheSet(key, { n: 1 })).toBe(true);
  expect(await backplane.cacheGet(key)).toEqual({ n: 1 });
  expect(await backplane.cacheGetOrSet(key, unwanted)).toEqual({ n: 1 });
  expect(await backplane.cacheDelete(key)).toBe(true);
  expect(await backplane.cacheGet(key)).toBeNull();
  expect(await backplane.cacheGetOrSet(loaded, () => 'once')).toBe('once');
  expect(await backplane.cacheGetOrSet(loaded, unwanted)).toBe('once');
  expect(await backplane.cacheDeletePattern(`${key}*`)).toBe(1);
  expect(await backplane.cacheGet(loaded)).toBeNull();
}

/** Raw commands alone fail while Redis is away. */
async function expectAway(backplane) {
  expect(backplane.isRedisAvailable()).toBe(false);
  expect(await backplane.call('PING')).toEqual({ code: 'E_UNAVAILABLE' });
}

/** What Redis holds before an outage; what another client writes is in there too. */
async function seed(redis, prefix = '') {
  for (const key of [...OLD, UNTOUCHED]) await redis.command('SET', `${prefix}cache:${key}`, '"old"');
}

/** Writes and deletes during an outage, and reads back what memory owes. */
async function change(backplane) {
  expect(await backplane.cacheSet('h:set', 'new')).toBe(true);
  expect(await backplane.cacheDelete('h:deleted')).toBe(true);
  expect(await backplane.cacheSet('h:pattern:1', 'new')).toBe(true);
  expect(await backplane.cacheDeletePattern('h:pattern:?')).toBe(1);
  expect(await backplane.cacheGetOrSet('h:loaded', () => 'new')).toBe('new');
  expect(await backplane.cacheSet('h:set-and-deleted', 'new')).toBe(true);
  expect(await backplane.cacheDelete('h:set-and-deleted')).toBe(true);
  expect(await backplane.cacheSet('h:new', 'new')).toBe(true);
  const read = await Promise.all(CHANGED.map((key) => backplane.cacheGet(key)));
  expect(read).toEqual(['new', null, null, null, 'new', null, 'new']);
}

/** Another client writes during the outage, past a backplane that is cut off. */
async function writeAsAnother(redis, prefix = '') {
  await redis.command('SET', `${prefix}cache:${FOREIGN}`, '"theirs"');
}

/** After the outage what was changed is a miss, never an older value. */
async function expectNothingStale(backplane, redis, prefix = '') {
  const stored = CHANGED.map((key) => redis.command('GET', `${prefix}cache:${key}`));
  expect(await Promise.all(stored)).toEqual(CHANGED.map(() => null));
  expect(await Promise.all(CHANGED.map((key) => backplane.cacheGet(key)))).toEqual(CHANGED.map(() => null));
}

/** What was not changed is as it was, and what another client wrote is not shadowed. */
async function expectOthersKept(backplane) {
  expect(await backplane.cacheGet(UNTOUCHED)).toBe('old');
  expect(await backplane.cacheGet(FOREIGN)).toBe('theirs');
}

module.exports = {
  change,
  expectAway,
  expectNothingStale,
  expectOthersKept,
  expectService,
  seed,
  unwanted,
  writeAsAnother,
};
