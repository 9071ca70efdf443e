'use strict';

// src/infrastructure/cache/sessionCache.js

const { PREFIX, attempt, scan } = require('./redisClient');

const keyOf = (socketId) => `${PREFIX}session:${socketId}`;

const getSession = (socketId) =>
  attempt(async (redis) => {
    const text = await redis.get(keyOf(socketId));
    return text === null ? null : JSON.parse(text);
  }, null);

const setSession = (socketId, data, ttlSeconds = 300) =>
  attempt(async (redis) => (await redis.setex(keyOf(socketId), ttlSeconds, JSON.stringify(data))) === 'OK', false);

const deleteSession = (socketId) => attempt(async (redis) => (await redis.del(keyOf(socketId))) > 0, false);

/** All sessions are looked at. */
const invalidateUserSessions = (user) =>
  attempt(async (redis) => {
    const keys = await scan(redis, keyOf('*'));
    const texts = keys.length > 0 ? await redis.mget(...keys) : [];
    const theirs = keys.filter((_, i) => {
      const { email, userId } = JSON.parse(texts[i]) ?? {};
      return email === user || userId === user;
    });
    if (theirs.length > 0) await redis.del(...theirs);
    return theirs.length;
  }, 0);

module.exports = { getSession, setSession, deleteSession, invalidateUserSessions };
