'use strict';

// A server among several that reads rows through the query cache, changes them and invalidates their
// rooms, and watches that nothing is read that is older than what was invalidated.

const { createBackplane } = require('../..');
const { serve } = require('../support/remote');

const { url, tableUrl, isFenced, rows, degradedTtlSeconds } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const open = (options) => createBackplane({ logger: silent, commandTimeoutMs: 500, ...options });
const cached = open({ url, queryCache: { degradedTtlSeconds } });
/** It never misses, so its sets heed no fence. */
const blind = open({ url });
const { queryCache } = cached;
const tables = open({ url: tableUrl, commandTimeoutMs: 20_000, connectTimeoutMs: 20_000 });
const table = tables.getClient();

const seen = { rounds: 0, hits: 0, changes: 0, invalidations: 0, away: 0, stale: [] };
/** What this process itself has invalidated, by row. */
const own = new Map();

async function read(row) {
  const wasReady = cached.isRedisAvailable();
  const ownFloor = own.get(row) ?? 0;
  const floor = Number((await table.call('GET', `floor:${row}`)) ?? 0);
  const params = { roomId: `room ${row}` };
  const hit = await queryCache.get('row', params);
  seen.rounds += 1;
  if (hit === null) {
    const value = Number((await table.call('GET', `row:${row}`)) ?? 0);
    await (isFenced ? cached : blind).queryCache.set('row', params, value);
    return;
  }
  seen.hits += 1;
  // The others' floor is known only while Redis is there.
  const isReady = wasReady && cached.isRedisAvailable();
  seen.away += isReady ? 0 : 1;
  const least = isReady ? Math.max(floor, ownFloor) : ownFloor;
  if (hit < least) seen.stale.push({ row, hit, least, ownFloor, isReady });
}

async function change(row) {
  const value = Number(await table.call('INCR', `row:${row}`));
  const wasReady = cached.isRedisAvailable();
  await queryCache.invalidateRoom(`room ${row}`);
  seen.changes += 1;
  own.set(row, Math.max(own.get(row) ?? 0, value));
  if (!wasReady || !cached.isRedisAvailable()) return;
  seen.invalidations += 1;
  await table.call('EVAL', "if tonumber(redis.call('GET', KEYS[1]) or 0) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1]) end", 1, `floor:${row}`, value);
}

let isRunning = true;

async function work() {
  while (isRunning) {
    const row = Math.floor(Math.random() * rows);
    await (Math.random() < 0.1 ? change(row) : read(row));
  }
}

const tasks = [];

cached.cacheGet('settled').then(() =>
  serve({
    seen,
    begin: (count) => {
      for (let i = 0; i < count; i++) tasks.push(work());
    },
    end: async () => {
      isRunning = false;
      await Promise.all(tasks);
      return { ...seen, stale: seen.stale.slice(0, 3), staleCount: seen.stale.length };
    },
    stop: () => Promise.all([cached, blind, tables].map(({ close }) => close())),
  })
);
