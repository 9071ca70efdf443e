'use strict';

const LATEST = 50;

/**
 * The database queries of examples/chat, in memory and for one instance only: the load is about
 * messages, not about PostgreSQL. Each room keeps its latest messages.
 */
function createDatabase(roomIds, instance) {
  const rooms = new Map(roomIds.map((id) => [id, []]));
  // Instances that count in twos never issue each other's ids.
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
