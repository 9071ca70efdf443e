'use strict';

// src/services/presence/presenceService.js: keeps the sockets of this process set, and reports
// joins and leaves.

const { getPubSub } = require('./redisPubSub');
const redisClient = require('./redisClient');

const TTL_SECONDS = 300;
const REFRESH_MS = 100_000;
const own = new Map();
let timer = null;

function keepAlive() {
  timer ??= setInterval(() => {
    for (const [userId, socketId, metadata] of own.values()) redisClient.setPresence(userId, socketId, metadata, TTL_SECONDS);
  }, REFRESH_MS).unref();
}

const tell = (type, userId, socketId, metadata) => metadata?.roomId
  && getPubSub().publish(`presence:${metadata.roomId}`, { type, userId, socketId, roomId: metadata.roomId, metadata });

async function setPresence(userId, socketId, metadata = {}) {
  keepAlive();
  const before = own.get(socketId)?.[2];
  own.set(socketId, [userId, socketId, metadata]);
  const isSet = await redisClient.setPresence(userId, socketId, metadata, TTL_SECONDS);
  if (before && before.roomId !== metadata.roomId) await tell('leave', userId, socketId, before);
  await tell(before?.roomId === metadata.roomId ? 'update' : 'join', userId, socketId, metadata);
  return isSet;
}

async function removePresence(userId, socketId) {
  const [, , metadata] = own.get(socketId) ?? [];
  own.delete(socketId);
  const isRemoved = await redisClient.removePresence(userId, socketId);
  await tell('leave', userId, socketId, metadata);
  return isRemoved;
}

async function watchRoom(roomId, callback) {
  await getPubSub().subscribe(`presence:${roomId}`, callback);
  return () => getPubSub().unsubscribe(`presence:${roomId}`, callback);
}

class PresenceService {
  setOnline(userId, socketId, roomId) {
    return setPresence(userId, socketId, { roomId });
  }

  setOffline(userId, socketId) {
    return removePresence(userId, socketId);
  }

  isOnline(userId) {
    return redisClient.isUserOnline(userId);
  }

  getOnlineUsers(roomId) {
    return redisClient.getOnlineUsersInRoom(roomId);
  }

  refreshPresence(userId, socketId, roomId) {
    return setPresence(userId, socketId, { roomId });
  }
}

function close() {
  clearInterval(timer);
  own.clear();
}

module.exports = { PresenceService, setPresence, removePresence, watchRoom, close };
