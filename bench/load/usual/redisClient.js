'use strict';

// src/infrastructure/database/redisClient.js as in many servers: one ioredis client, and functions
// that work without it while it is not connected.

const { Redis } = require('ioredis');

const URL = process.env.REDIS_URL || 'redis://localhost:6379';
const PREFIX = process.env.USUAL_PREFIX || '';

let client = null;
let isReady = false;

function getClient() {
  if (client === null) {
    client = new Redis(URL, { maxRetriesPerRequest: 1, enableOfflineQueue: false, retryStrategy: (times) => Math.min(times * 50, 2000) });
    client.on('ready', () => (isReady = true));
    client.on('close', () => (isReady = false));
    client.on('error', (error) => console.error(`Redis: ${error.message}`));
  }
  return client;
}

/** A separate connection, which waits for Redis as long as necessary. */
function createSubscriber() {
  const subscriber = new Redis(URL, { maxRetriesPerRequest: null, retryStrategy: (times) => Math.min(times * 50, 2000) });
  subscriber.on('error', () => {});
  return subscriber;
}

function isRedisAvailable() {
  getClient();
  return isReady;
}

/** The result of `act`, or the fallback without Redis. */
async function attempt(act, otherwise) {
  if (!isRedisAvailable()) return otherwise;
  try {
    return await act(client);
  } catch (error) {
    console.error(`Redis: ${error.message}`);
    return otherwise;
  }
}

const acquireLock = (key, ttlSeconds = 30) =>
  attempt(async (redis) => (await redis.set(`${PREFIX}lock:${key}`, '1', 'EX', ttlSeconds, 'NX')) === 'OK', true);

const releaseLock = (key) => attempt((redis) => redis.del(`${PREFIX}lock:${key}`));

/** Fails open. */
function checkRateLimit(key, maxRequests, windowSeconds = 60) {
  const name = `${PREFIX}ratelimit:${key}`;
  return attempt(async (redis) => {
    const count = await redis.incr(name);
    if (count === 1) await redis.expire(name, windowSeconds);
    if (count <= maxRequests) return { allowed: true, remaining: maxRequests - count, retryAfterMs: 0 };
    return { allowed: false, remaining: 0, retryAfterMs: Math.max(0, await redis.pttl(name)) };
  }, { allowed: true, remaining: maxRequests, retryAfterMs: 0 });
}

const cacheSet = (key, value, ttlSeconds = 3600) =>
  attempt(async (redis) => (await redis.setex(`${PREFIX}cache:${key}`, ttlSeconds, JSON.stringify(value))) === 'OK', false);

const cacheGet = (key) =>
  attempt(async (redis) => {
    const text = await redis.get(`${PREFIX}cache:${key}`);
    return text === null ? null : JSON.parse(text);
  }, null);

const cacheDelete = (key) => attempt(async (redis) => (await redis.del(`${PREFIX}cache:${key}`)) > 0, false);

/** All keys that match, a thousand at a time. */
async function scan(redis, pattern) {
  const found = [];
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', 1000);
    found.push(...keys);
    cursor = next;
  } while (cursor !== '0');
  return found;
}

const cacheDeletePattern = (pattern) =>
  attempt(async (redis) => {
    const keys = await scan(redis, `${PREFIX}cache:${pattern}`);
    if (keys.length > 0) await redis.del(...keys);
    return true;
  }, false);

function setPresence(userId, socketId, metadata = {}, ttlSeconds = 300) {
  const value = JSON.stringify({ userId, socketId, lastSeen: Date.now(), ...metadata });
  return attempt(async (redis) => (await redis.setex(`${PREFIX}presence:${userId}:${socketId}`, ttlSeconds, value)) === 'OK', false);
}

const removePresence = (userId, socketId) =>
  attempt(async (redis) => (await redis.del(`${PREFIX}presence:${userId}:${socketId}`)) > 0, false);

const isUserOnline = (userId) => attempt(async (redis) => (await scan(redis, `${PREFIX}presence:${userId}:*`)).length > 0, false);

/** All sockets of all rooms are looked at. */
const getRoomPresence = (roomId) =>
  attempt(async (redis) => {
    const keys = await scan(redis, `${PREFIX}presence:*`);
    const texts = keys.length > 0 ? await redis.mget(...keys) : [];
    return texts.filter(Boolean).map((text) => JSON.parse(text)).filter((present) => present.roomId === roomId);
  }, []);

const getOnlineUsersInRoom = async (roomId) => (await getRoomPresence(roomId)).map(({ userId }) => userId);

const publish = (channel, message) => attempt((redis) => redis.publish(PREFIX + channel, JSON.stringify(message)), 0);

async function close() {
  const closing = client;
  client = null;
  await closing?.quit().catch(() => {});
}

module.exports = {
  PREFIX, getClient, createSubscriber, isRedisAvailable, attempt, scan, acquireLock, releaseLock, checkRateLimit, cacheSet, cacheGet,
  cacheDelete, cacheDeletePattern, setPresence, removePresence, isUserOnline, getRoomPresence, getOnlineUsersInRoom, publish, close,
};
