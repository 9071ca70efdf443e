'use strict';

const check = require('./check');
const { rangeError } = require('./errors');
const { inNextTurn } = require('./clock');
const { typeError } = require('./errors');
const { callSafely } = require('./listeners');
const { listOf } = require('./lists');
const { Op } = require('./queue');
const { Subscriptions } = require('./subscriptions');

const DEFAULT_TTL_SECONDS = 300;
/** Each room of a socket stores a copy of the metadata. */
const MAX_METADATA_BYTES = 1024 * 1024;
/** Of all copies of one socket: its metadata multiplied by the number of its rooms. */
const MAX_BYTES_IN_ROOMS = 8 * 1024 * 1024;
/** Used in place of the kind of a topic. */
const ROOM = 0;
const OF_ROOMS = { join: Op.PresenceWatch, leave: Op.PresenceUnwatch, end: Op.PresenceUnwatchAll };

/** The presence of one backplane. index.d.ts documents each function. */
function createPresence(core) {
  let watches;

  function setPresence(userId, socketId, metadata = {}, ttlSeconds = DEFAULT_TTL_SECONDS) {
    return put(Op.PresenceSet, userId, socketId, metadata, ttlSeconds);
  }

  function put(op, userId, socketId, metadata, ttlSeconds) {
    const wrong = check.id(userId, 'userId') ?? check.id(socketId, 'socketId') ?? check.ttl(ttlSeconds);
    if (wrong) return Promise.reject(wrong);
    const { text, error = core.unusable() } = check.read(() => readMetadata(metadata), 'metadata');
    if (error) return Promise.reject(error);
    const { queue, number } = core;
    return queue.send(op, number, userId + socketId, text, userId.length, ttlSeconds * 1000);
  }

  function removePresence(userId, socketId) {
    const error = check.id(userId, 'userId') ?? check.id(socketId, 'socketId') ?? core.unusable();
    if (error) return Promise.reject(error);
    return core.queue.send(Op.PresenceRemove, core.number, userId + socketId, undefined, userId.length);
  }

  async function areUsersOnline(userIds) {
    const { ids, error = core.unusable() } = readIds(userIds, 'userIds');
    if (error) throw error;
    return core.queue.send(Op.PresenceAreOnline, core.number, '', JSON.stringify(ids));
  }

  /** Sends a question about one user or room. */
  function ask(op, id, what) {
    const error = check.id(id, what) ?? core.unusable();
    return error ? Promise.reject(error) : core.queue.send(op, core.number, id);
  }

  async function list(op, id, what) {
    const answer = await ask(op, id, what);
    return Buffer.isBuffer(answer) ? readInParts(answer) : answer.map(described);
  }

  async function watchRoom(roomId, callback) {
    const error = check.id(roomId, 'roomId') ?? check.callback(callback, 'callback') ?? core.unusable();
    if (error) throw error;
    watches ??= new Subscriptions(core, new Watcher(core), { ops: OF_ROOMS });
    const room = watches.join(ROOM, roomId, () => new WatchedRoom(core));
    const own = { callback };
    room.watchers = [...room.watchers, own];
    await room.ready;
    return async () => {
      if (!room.watchers.includes(own)) return;
      room.watchers = room.watchers.filter((other) => other !== own);
      if (room.watchers.length === 0 && core.state() !== 'closed') await watches.shut(room);
    };
  }

  const presence = {
    setPresence,
    removePresence,
    isUserOnline: (userId) => ask(Op.PresenceIsOnline, userId, 'userId'),
    areUsersOnline,
    getUserPresence: (userId) => list(Op.PresenceOfUser, userId, 'userId'),
    getLastSeen: (userId) => ask(Op.PresenceLastSeen, userId, 'userId'),
    getOnlineUsersInRoom: (roomId) => ask(Op.PresenceUsers, roomId, 'roomId'),
    countOnlineUsersInRoom: (roomId) => ask(Op.PresenceCount, roomId, 'roomId'),
    getRoomPresence: (roomId) => list(Op.PresenceOfRoom, roomId, 'roomId'),
    watchRoom,
  };

  class PresenceService {
    setOnline(userId, socketId, roomId) {
      return setPresence(userId, socketId, inRoom(roomId));
    }

    setOffline(userId, socketId) {
      return removePresence(userId, socketId);
    }

    isOnline(userId) {
      return presence.isUserOnline(userId);
    }

    getOnlineUsers(roomId) {
      return presence.getOnlineUsersInRoom(roomId);
    }

    refreshPresence(userId, socketId, roomId) {
      return put(Op.PresenceRefresh, userId, socketId, inRoom(roomId), DEFAULT_TTL_SECONDS);
    }
  }

  return { ...presence, PresenceService };
}

/** Several ids as `{ ids }`, or an error. */
function readIds(given, what) {
  const complain = (message, cause) => typeError('E_INVALID_KEY', message, cause);
  return check.read(() => {
    const ids = Array.isArray(given) ? listOf(given) : given;
    const error = check.ids(ids, what);
    return error ? { error } : { ids };
  }, what, complain);
}

function inRoom(roomId) {
  return roomId === undefined || roomId === null ? {} : { roomId };
}

/** The metadata as text, which includes the rooms, or an error. */
function readMetadata(metadata) {
  if (check.object(metadata, 'metadata') || Array.isArray(metadata)) return { error: notAnObject(metadata) };
  const json = check.json(metadata, MAX_METADATA_BYTES);
  if (json.error) return json;
  // Its `toJSON` may turn it into something else.
  if (json.text[0] !== '{') return { error: notAnObject(json.text) };
  // JSON escapes malformed Unicode, which is not allowed in the names of a room's metadata.
  if (json.text.includes('\\ud') && !Object.keys(JSON.parse(json.text)).every((name) => name.isWellFormed())) {
    return { error: check.value('the names in metadata must be well-formed Unicode') };
  }
  const error = checkRooms(typeof metadata.toJSON === 'function' ? JSON.parse(json.text) : metadata, json.text);
  return error ? { error } : json;
}

function notAnObject(value) {
  return check.value(`metadata must be an object, not ${Array.isArray(value) ? 'an array' : check.kindOf(value)}`);
}

/** One room, several, or none; `text` is the metadata as JSON. */
function checkRooms(metadata, text) {
  let roomId;
  try {
    ({ roomId } = metadata);
  } catch (cause) {
    return check.value('metadata.roomId cannot be read', cause);
  }
  if (roomId === undefined || roomId === null) return null;
  if (!Array.isArray(roomId)) return check.id(roomId, 'metadata.roomId');
  return readIds(roomId, 'metadata.roomId').error ?? checkBytesInRooms(roomId, text);
}

/** Each room stores the metadata without the names of the other rooms. */
function checkBytesInRooms(rooms, text) {
  if (rooms.length * text.length * check.UTF8_PER_UNIT <= MAX_BYTES_IN_ROOMS) return null;
  const bytes = Buffer.byteLength(text) - Buffer.byteLength(JSON.stringify(rooms));
  if (new Set(rooms).size * bytes <= MAX_BYTES_IN_ROOMS) return null;
  return rangeError('E_INVALID_VALUE', `metadata times rooms must not be more than ${MAX_BYTES_IN_ROOMS} bytes`);
}

/** The metadata cannot override the ids. */
function described([userId, socketId, lastSeen, metadata]) {
  return { ...metadata, userId, socketId, lastSeen };
}

/**
 * Large answers are read one part at a time, each up to its zero byte, and other work runs in
 * between.
 */
async function readInParts(answer) {
  const all = [];
  for (let start = 0, end; start < answer.length; start = end + 1) {
    const zero = answer.indexOf(0, start);
    end = zero === -1 ? answer.length : zero;
    for (const row of JSON.parse(answer.toString('utf8', start, end))) all.push(described(row));
    await new Promise(inNextTurn);
  }
  return all;
}

/** A room, to which the queue delivers its events. */
class WatchedRoom {
  constructor(core) {
    this.core = core;
    this.isJson = true;
    /** Replaced, never mutated: a callback may watch or end a watch while it is called. */
    this.watchers = [];
  }

  deliver(event) {
    const { core, watchers } = this;
    for (const watcher of watchers) {
      if (this.watchers.includes(watcher)) callSafely(core.logger, watcher.callback, undefined, event);
    }
  }
}

/** All watches of a backplane. */
class Watcher {
  constructor(core) {
    this.core = core;
  }

  missed({ dropped }) {
    this.core.logger.warn(`⚠️  redis-backplane: ${dropped} events of watched rooms were dropped: the process is too slow`);
  }

  ended() {}
}

module.exports = { createPresence };
