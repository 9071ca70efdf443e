'use strict';

const check = require('./check');
const { idOf, idWithin } = require('./ids');
const { Op } = require('./queue');

const DEFAULT_TTL_SECONDS = 300;

/** The session cache of one backplane. index.d.ts documents each function. */
function createSessionCache(core) {
  function getSession(socketId) {
    const error = check.id(socketId, 'socketId') ?? core.unusable();
    if (error) return Promise.reject(error);
    return core.queue.send(Op.SessionGet, core.number, socketId);
  }

  function setSession(socketId, data, ttlSeconds = DEFAULT_TTL_SECONDS) {
    const error = check.id(socketId, 'socketId') ?? check.ttl(ttlSeconds) ?? core.unusable();
    if (error) return Promise.reject(error);
    const json = check.json(data);
    if (json.error) return Promise.reject(json.error);
    const users = check.read(() => ({ text: usersOf(data, json.text) }), 'the users of a session');
    const wrong = users.error ?? check.size(users.text, 'the users of a session');
    if (wrong) return Promise.reject(wrong);
    const { queue, number } = core;
    return queue.send(Op.SessionSet, number, socketId + users.text, json.text, socketId.length, ttlSeconds * 1000);
  }

  function deleteSession(socketId) {
    const error = check.id(socketId, 'socketId') ?? core.unusable();
    if (error) return Promise.reject(error);
    return core.queue.send(Op.SessionDelete, core.number, socketId);
  }

  function invalidateUserSessions(user) {
    const name = normal(user);
    const error = check.id(name, 'user') ?? core.unusable();
    if (error) return Promise.reject(error);
    return core.queue.send(Op.SessionInvalidate, core.number, name);
  }

  return { getSession, setSession, deleteSession, invalidateUserSessions };
}

/** The users that a session belongs to, as a JSON array; empty for none. */
function usersOf(data, text) {
  if (typeof data !== 'object' || data === null) return '';
  // The stored data count, in case the object returns something else each time.
  const isPlain = Object.getPrototypeOf(data) === Object.prototype && typeof data.toJSON !== 'function';
  const { email, userId } = isPlain ? data : (JSON.parse(text) ?? {});
  const named = [email, userId].map((user) => normal(idWithin(user)));
  const users = named.filter((user) => typeof user === 'string' && user !== '');
  return users.length === 0 ? '' : JSON.stringify([...new Set(users)].map((user) => user.toWellFormed()));
}

/** In normalized form. */
function normal(user) {
  const id = idOf(user);
  return typeof id === 'string' ? id.trim().toLowerCase() : id;
}

module.exports = { createSessionCache };
