'use strict';

const MOST = 50;

const COLUMNS = `id, room_id, parent_id, user_id, name, text,
  extract(epoch FROM at) * 1000 AS at, extract(epoch FROM edited_at) * 1000 AS edited_at,
  (SELECT count(*) FROM messages AS replies WHERE replies.parent_id = messages.id) AS replies`;

const ROOMS = 'SELECT id, name, topic FROM rooms ORDER BY position, id';
const ONE = `SELECT ${COLUMNS} FROM messages WHERE id = $1`;
const LATEST = `SELECT ${COLUMNS} FROM messages WHERE room_id = $1 AND parent_id IS NULL ORDER BY id DESC LIMIT $2`;
const REPLIES = `SELECT ${COLUMNS} FROM messages WHERE parent_id = $1 ORDER BY id DESC LIMIT $2`;
const SEARCH = `SELECT ${COLUMNS} FROM messages WHERE room_id = $1 AND text ILIKE $2 ORDER BY id DESC LIMIT $3`;
// A reply belongs to a message of the same room that is not itself a reply.
const ADD = `
  INSERT INTO messages (room_id, parent_id, user_id, name, text)
  SELECT $1, $2::bigint, $3, $4, $5
  WHERE $2::bigint IS NULL
    OR EXISTS (SELECT 1 FROM messages WHERE id = $2::bigint AND room_id = $1 AND parent_id IS NULL)
  RETURNING ${COLUMNS}`;
const EDIT = `
  UPDATE messages SET text = $3, edited_at = now() WHERE id = $1 AND user_id = $2
  RETURNING ${COLUMNS}`;

const number = (value) => (value === null ? null : Math.round(Number(value)));

function toMessage(row) {
  return {
    id: number(row.id),
    roomId: row.room_id,
    parentId: number(row.parent_id),
    userId: row.user_id,
    name: row.name,
    text: row.text,
    at: number(row.at),
    editedAt: number(row.edited_at),
    replies: number(row.replies),
    analysis: null,
  };
}

const first = (rows) => (rows.length > 0 ? toMessage(rows[0]) : null);
const oldestFirst = (rows) => rows.map(toMessage).reverse();

function patternOf(text) {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`;
}

/** The queries of the chat, on any object whose `query(text, parameters)` returns rows. */
function createDatabase({ query, close }) {
  return {
    rooms: () => query(ROOMS, []),
    message: async (id) => first(await query(ONE, [id])),
    latest: async (roomId) => oldestFirst(await query(LATEST, [roomId, MOST])),
    replies: async (parentId) => oldestFirst(await query(REPLIES, [parentId, MOST])),
    search: async (roomId, text) => oldestFirst(await query(SEARCH, [roomId, patternOf(text), MOST])),
    /** `null`: there is no such parent. */
    add: async ({ roomId, parentId, userId, name, text }) => first(await query(ADD, [roomId, parentId, userId, name, text])),
    /** `null`: there is no such message of this user. */
    edit: async ({ id, userId, text }) => first(await query(EDIT, [id, userId, text])),
    close,
  };
}

module.exports = { createDatabase };
