'use strict';

const { Refusal } = require('./refusal');
const { channelOf } = require('./visit');

const LIST_SECONDS = 300;
const SEARCH_SECONDS = 60;

/**
 * Reading and writing messages. A client that has been answered, or notified of a change, reads it
 * from then on, on every instance.
 */
function createMessages({ backplane: { queryCache }, database, analyses, io }) {
  let said = 0;

  /** `source`: whether this very request went to the database. */
  async function read(query, params, load, seconds) {
    let source = 'cache';
    const result = await queryCache.getOrSet(query, params, () => {
      source = 'database';
      return load();
    }, seconds);
    return { result, source };
  }

  async function list(roomId) {
    const { result, source } = await read('messages', { roomId }, () => database.latest(roomId), LIST_SECONDS);
    return { messages: await analyses.attach(result), source };
  }

  async function loadThread(roomId, parentId) {
    const [parent, replies] = await Promise.all([database.message(parentId), database.replies(parentId)]);
    return parent?.roomId === roomId && parent.parentId === null ? [parent, ...replies] : [];
  }

  async function thread(roomId, parentId) {
    const { result, source } = await read('thread', { roomId, parentId }, () => loadThread(roomId, parentId), LIST_SECONDS);
    const [parent, ...messages] = await analyses.attach(result);
    if (!parent) throw new Refusal('NOT_FOUND', 'There is no such message.');
    return { parent, messages, source };
  }

  async function search(roomId, text) {
    const { result, source } = await read('search', { roomId, text }, () => database.search(roomId, text), SEARCH_SECONDS);
    return { messages: await analyses.attach(result), source };
  }

  /** Invalidated before the notification, so that no notified client reads an older list. */
  async function publish(event, written) {
    await queryCache.invalidateRoom(written.roomId);
    const message = await analyses.attachOne(written);
    io.to(channelOf(message.roomId)).emit(event, { message });
    analyses.begin(message);
    return message;
  }

  async function say(message) {
    const written = await database.add(message);
    if (written === null) throw new Refusal('NOT_FOUND', 'There is no such message to reply to.');
    said += 1;
    return publish('message', written);
  }

  async function edit(change) {
    const written = await database.edit(change);
    if (written === null) throw new Refusal('NOT_FOUND', 'There is no such message of yours.');
    return publish('edited', written);
  }

  return { counts: () => ({ chat_messages_total: said }), edit, list, say, search, thread };
}

module.exports = { createMessages };
