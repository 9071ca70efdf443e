'use strict';

const { ROOM, openServers } = require('../pubsub/rooms');

// Each opens what one process needs: { set(userId, socketId, metadata), users(roomId), close() }.
const SIDES = {
  'redis-backplane': openBackplane,
  'scan-and-get': openScan,
  'fetch-sockets': openFetchSockets,
};

const TTL_SECONDS = 3600;
/** Of each room except the large one. */
const SOCKETS_IN_ROOM = 50;
const COMPLAINTS = { debug() {}, info() {}, warn: console.warn, error: console.error };

function openSide(name, url, options) {
  return SIDES[name](url, options);
}

async function openBackplane(url, options) {
  const { createBackplane } = require('../../..');
  const backplane = createBackplane({ url, logger: COMPLAINTS, ...options });
  // The first call waits until it is connected, or known not to be.
  await backplane.cacheGet('bench:settled');
  if (!backplane.isRedisAvailable()) throw new Error('Redis not available');
  return {
    set: (userId, socketId, metadata) => backplane.setPresence(userId, socketId, metadata, TTL_SECONDS),
    users: backplane.getOnlineUsersInRoom,
    close: () => backplane.close(),
  };
}

// As in hand-written modules: a key for each socket, and a walk through all keys for a room.
async function openScan(url) {
  const { default: Redis } = require('ioredis');
  const redis = new Redis(url);
  return {
    set: (userId, socketId, metadata) =>
      redis.set(`presence:${userId}:${socketId}`, JSON.stringify({ userId, ...metadata }), 'EX', TTL_SECONDS),
    users: (roomId) => scan(redis, roomId),
    close: () => redis.quit(),
  };
}

async function scan(redis, roomId) {
  const users = new Set();
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', 'presence:*', 'COUNT', 100);
    for (const text of await Promise.all(keys.map((key) => redis.get(key)))) {
      const presence = JSON.parse(text);
      if (presence?.roomId === roomId) users.add(presence.userId);
    }
    cursor = next;
  } while (cursor !== '0');
  return [...users].sort();
}

// A Socket.IO room over two processes, which ask each other for its sockets.
async function openFetchSockets(url) {
  const { own, other, clients } = await openServers('ioredis', url, { count: SOCKETS_IN_ROOM / 2, batch: 1 });
  return {
    users: async () => (await own.io.in(ROOM).fetchSockets()).map(({ id }) => id),
    close() {
      other.close();
      clients.close();
    },
  };
}

module.exports = { SIDES, SOCKETS_IN_ROOM, openSide };
