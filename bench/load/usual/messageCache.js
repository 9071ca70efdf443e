'use strict';

// src/core/engine/messageCache.js: on Redis, with a Map in front of it.

const { createHash } = require('node:crypto');
const { PREFIX, attempt, isRedisAvailable, scan } = require('./redisClient');

const MAX_AGE_MS = 5 * 60 * 1000;
const MAX_SIZE = 1000;
const memory = new Map();

const keyOf = (hash) => `${PREFIX}msg:${hash}`;

function generateHash(text, senderId, receiverId) {
  return createHash('sha256').update(`${text.trim().toLowerCase()}:${senderId}:${receiverId}`).digest('hex');
}

function remember(hash, result) {
  memory.set(hash, { result, at: Date.now() });
  if (memory.size > MAX_SIZE) memory.delete(memory.keys().next().value);
}

async function get(hash) {
  const known = memory.get(hash);
  if (known && Date.now() - known.at < MAX_AGE_MS) return known.result;
  const text = await attempt((redis) => redis.get(keyOf(hash)), null);
  if (text === null) return null;
  const result = JSON.parse(text);
  remember(hash, result);
  return result;
}

async function set(hash, result) {
  remember(hash, result);
  await attempt((redis) => redis.psetex(keyOf(hash), MAX_AGE_MS, JSON.stringify(result)));
}

function clearExpired() {
  for (const [hash, { at }] of memory) if (Date.now() - at >= MAX_AGE_MS) memory.delete(hash);
}

async function clear() {
  memory.clear();
  await attempt(async (redis) => {
    const keys = await scan(redis, keyOf('*'));
    if (keys.length > 0) await redis.del(...keys);
  });
}

const getStats = async () => ({ memorySize: memory.size, maxSize: MAX_SIZE, maxAgeMs: MAX_AGE_MS, redisAvailable: isRedisAvailable() });

module.exports = { generateHash, get, set, clearExpired, clear, getStats };
