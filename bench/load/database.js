'use strict';

const LATEST = 50;

/**
 * What examples/chat asks of a database, in memory and of one instance alone: the load is about messages, not about
 * PostgreSQL. Each room keeps its latest messages.
 */
function createDatabase(roomIds, instance) {
  const rooms = new Map(roomIds.map((id) => [id, []]));
  // Of instances that count by twos none gives out the id of another.
  let lastId = instance;

  return {
    rooms: async () => roomIds.map((id) => ({ id, name: id, topic: '' })),
    latest: async (roomId) => [...rooms.get(roomId)],
    message: async () => null,
    replies: async () => [],
    search: async () => [],
    edit: async () => null,
    async add({ roomId, parentId, userId, name, text }) {
      lastId += 2;
      const message = { id: lastId, roomId, parentId, userId, name, text, at: Date.now(), editedAt: null, replies: 0, analysis: null };
      const latest = rooms.get(roomId);
      latest.push(message);
      if (latest.length > LATEST) latest.shift();
      return message;
    },
  };
}

module.exports = { createDatabase };
