'use strict';

const { channelOf } = require('./visit');

function personOf({ userId, socketId, metadata: { name, instance } }) {
  return { userId, name, socketId, instance };
}

/** One entry for each user, with all of its sockets. */
function groupByUser(present) {
  const people = new Map();
  for (const { userId, name, socketId, instance } of present) {
    if (!people.has(userId)) people.set(userId, { userId, name, sockets: [] });
    people.get(userId).sockets.push({ socketId, instance });
  }
  return [...people.values()];
}

/** The users in each room, across all instances. */
function createPeople({ backplane, io }) {
  const watched = new Map();

  function tell(event) {
    io.local.to(channelOf(event.roomId)).emit('presence', { type: event.type, roomId: event.roomId, person: personOf(event) });
  }

  /** From its first visitor to the end of this instance. */
  async function watch(roomId) {
    if (!watched.has(roomId)) watched.set(roomId, backplane.watchRoom(roomId, tell));
    try {
      await watched.get(roomId);
    } catch (error) {
      watched.delete(roomId);
      throw error;
    }
  }

  async function list(roomId) {
    return groupByUser(await backplane.getRoomPresence(roomId));
  }

  async function close() {
    const stops = await Promise.allSettled(watched.values());
    await Promise.all(stops.map(({ value: stop }) => stop?.()));
  }

  return { close, list, watch };
}

module.exports = { createPeople };
