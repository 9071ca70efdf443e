'use strict';

const { readFlag, readId, readMessageText, readParent, readSearch, readUser } = require('./input');
const { Refusal } = require('./refusal');
const { channelOf } = require('./visit');

/** Faster typing than this is reported only now and then. */
const TYPING_PAUSE_MS = 200;

/** The requests of a visit, by name. */
function createRequests({ rooms, messages, people, limits, place, control, stats }, visit) {
  const { socket } = visit;
  const typed = { at: 0, isTyping: false };

  function readRoom({ roomId }) {
    if (rooms.some(({ id }) => id === roomId)) return roomId;
    throw new Refusal('NOT_FOUND', 'There is no such room.');
  }

  return {
    async hello({ name }) {
      const user = readUser(name);
      await visit.hello(user);
      return { user, rooms, ...place() };
    },

    async enter(fields) {
      const roomId = readRoom(fields);
      await visit.session();
      await people.watch(roomId);
      await visit.enter(roomId);
      const [{ messages: latest }, present] = await Promise.all([messages.list(roomId), people.list(roomId)]);
      return { messages: latest, people: present };
    },

    async list(fields) {
      const roomId = readRoom(fields);
      await visit.session();
      return messages.list(roomId);
    },

    async thread(fields) {
      const [roomId, parentId] = [readRoom(fields), readId(fields.parentId)];
      await visit.session();
      return messages.thread(roomId, parentId);
    },

    async say(fields) {
      const [roomId, parentId, text] = [readRoom(fields), readParent(fields.parentId), readMessageText(fields.text)];
      const { id: userId, name } = await visit.session();
      await limits.take('user', userId);
      await limits.take('room', roomId);
      return { message: await messages.say({ roomId, parentId, userId, name, text }) };
    },

    async edit(fields) {
      const [id, text] = [readId(fields.messageId), readMessageText(fields.text)];
      const { id: userId } = await visit.session();
      await limits.take('user', userId);
      return { message: await messages.edit({ id, userId, text }) };
    },

    async search(fields) {
      const [roomId, text] = [readRoom(fields), readSearch(fields.text)];
      const { id: userId } = await visit.session();
      await limits.take('search', userId);
      return messages.search(roomId, text);
    },

    /** Not worth an answer or a request to Redis. */
    async typing({ roomId, isTyping }) {
      if (visit.user === null || visit.roomId !== roomId || typeof isTyping !== 'boolean') return;
      if (typed.isTyping === isTyping && Date.now() - typed.at < TYPING_PAUSE_MS) return;
      Object.assign(typed, { at: Date.now(), isTyping });
      const { id: userId, name } = visit.user;
      socket.to(channelOf(roomId)).volatile.emit('typing', { userId, name, isTyping });
    },

    async redis({ run }) {
      const isToRun = readFlag(run);
      await visit.session();
      if (!control) throw new Refusal('NOT_OURS', 'This Redis was not started by the demo.');
      await control(isToRun);
    },

    async watchStats({ on }) {
      if (readFlag(on)) stats.begin(socket);
      else stats.end(socket);
    },
  };
}

module.exports = { createRequests };
