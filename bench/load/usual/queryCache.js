'use strict';

// src/infrastructure/cache/queryCache.js: results by query and parameters, and for each room a set of the keys of its results.

const { PREFIX, attempt, scan } = require('./redisClient');

const keyOf = (queryName, params) => `${PREFIX}query:${queryName}:${JSON.stringify(params)}`;
const roomOf = (roomId) => `${PREFIX}query-room:${roomId}`;

const get = (queryName, params = {}) =>
  attempt(async (redis) => {
    const text = await redis.get(keyOf(queryName, params));
    return text === null ? null : JSON.parse(text);
  }, null);

const set = (queryName, params, result, ttlSeconds = 300) =>
  attempt(async (redis) => {
    const key = keyOf(queryName, params);
    const commands = redis.multi().setex(key, ttlSeconds, JSON.stringify(result));
    if (params?.roomId) commands.sadd(roomOf(params.roomId), key).expire(roomOf(params.roomId), ttlSeconds);
    await commands.exec();
    return true;
  }, false);

async function getOrSet(queryName, params, loader, ttlSeconds) {
  const cached = await get(queryName, params);
  if (cached !== null) return cached;
  const loaded = await loader();
  await set(queryName, params, loaded, ttlSeconds);
  return loaded;
}

async function remove(redis, keys) {
  if (keys.length > 0) await redis.del(...keys);
  return keys.length;
}

const invalidate = (queryPattern) => attempt(async (redis) => remove(redis, await scan(redis, `${PREFIX}query:${queryPattern}:*`)), 0);
const invalidateQuery = (queryName) => invalidate(queryName);

const invalidateRoom = (roomId) =>
  attempt(async (redis) => {
    const keys = await redis.smembers(roomOf(roomId));
    await remove(redis, [...keys, roomOf(roomId)]);
    return keys.length;
  }, 0);

module.exports = { get, set, getOrSet, invalidate, invalidateQuery, invalidateRoom };
