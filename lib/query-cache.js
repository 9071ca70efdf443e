'use strict';

const { canonical } = require('./canonical');
const check = require('./check');
const { idOf, idWithin } = require('./ids');
const { Op } = require('./queue');

const DEFAULT_TTL_SECONDS = 300;
const LOADER_TIMEOUT_MS = 30_000;
/** Each room is one more look-up on every read. */
const MOST_ROOMS = 32;

/** The query cache of one backplane. index.d.ts documents each function. */
function createQueryCache(core, load) {
  function get(queryName, params) {
    const query = readQuery(queryName, params);
    const error = query.error ?? core.unusable();
    if (error) return Promise.reject(error);
    return send(Op.QueryGet, query);
  }

  function set(queryName, params, result, ttlSeconds = DEFAULT_TTL_SECONDS) {
    const query = readQuery(queryName, params);
    const error = query.error ?? check.ttl(ttlSeconds) ?? core.unusable();
    if (error) return Promise.reject(error);
    const json = check.json(result);
    if (json.error) return Promise.reject(json.error);
    core.changes += 1;
    return send(Op.QuerySet, query, json.text, ttlSeconds * 1000);
  }

  async function getOrSet(queryName, params, loader, ttlSeconds = DEFAULT_TTL_SECONDS) {
    const query = readQuery(queryName, params);
    const error = query.error ?? check.callback(loader, 'loader') ?? check.ttl(ttlSeconds) ?? core.unusable();
    if (error) throw error;
    const source = {
      name: query.text,
      fetch: () => send(Op.QueryFetch, query),
      keep: (lease, text) => send(Op.QueryFill, query, text, ...lease, ttlSeconds * 1000),
      giveBack: (lease) => send(Op.QueryAbandon, query, undefined, ...lease),
      // The stored result becomes invalid by the query name, which it shares with others.
      remove: () => core.queue.send(Op.QueryInvalidateName, core.number, queryName),
    };
    return load(source, loader, LOADER_TIMEOUT_MS);
  }

  function send(op, { text, nameUnits, paramsUnits }, value, n2, n3, n4) {
    return core.queue.send(op, core.number, text, value, nameUnits, paramsUnits, n2, n3, n4);
  }

  function ask(op, text, wrong) {
    const error = wrong ?? core.unusable();
    if (error) return Promise.reject(error);
    core.changes += 1;
    return core.queue.send(op, core.number, text);
  }

  return {
    get,
    set,
    getOrSet,
    invalidate: (queryPattern) => ask(Op.QueryInvalidate, queryPattern, check.pattern(queryPattern)),
    invalidateQuery: (queryName) => ask(Op.QueryInvalidateName, queryName, check.id(queryName, 'queryName')),
    invalidateRoom(roomId) {
      const room = idOf(roomId);
      return ask(Op.QueryInvalidateRoom, room, check.id(room, 'roomId'));
    },
  };
}

/** The name, the parameters and the rooms of a query as one text, or an error. */
function readQuery(queryName, params = {}) {
  const wrong = check.id(queryName, 'queryName') ?? (check.object(params, 'params') && check.value('params must be an object'));
  if (wrong) return { error: wrong };
  const { text, error } = canonical(params);
  if (error) return { error };
  const rooms = check.read(() => readRooms(params), 'params');
  if (rooms.error) return rooms;
  const tooLong = check.size(text, 'params') ?? check.size(rooms.text, 'the rooms of params');
  if (tooLong) return { error: tooLong };
  return { text: queryName + text + rooms.text, nameUnits: queryName.length, paramsUnits: text.length };
}

/** The rooms that parameters name, as a JSON array; empty for none. */
function readRooms({ roomId, room_id }) {
  if (roomId === undefined && room_id === undefined) return { text: '' };
  const named = [roomId, room_id].flat().map(idWithin);
  const rooms = [...new Set(named.filter((room) => room !== undefined && room !== null && room !== ''))];
  for (const room of rooms) {
    const error = check.id(room, 'the room of params');
    if (error) return { error };
  }
  if (rooms.length > MOST_ROOMS) return { error: check.value(`params must not name more than ${MOST_ROOMS} rooms`) };
  return { text: JSON.stringify(rooms) };
}

module.exports = { createQueryCache };
