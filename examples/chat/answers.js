'use strict';

const { Refusal } = require('./refusal');

/** Pending requests of one socket. A client with more than this does not wait for its answers. */
const MOST_UNDER_WAY = 32;

const BUSY = new Refusal('BUSY', 'Too many requests at once.');
const silent = () => {};

function told(error) {
  if (error instanceof Refusal) return { ok: false, code: error.code, message: error.message, ...error.details };
  // Requests that were pending when the server closed.
  if (error.code !== 'E_CLOSED') console.error(error);
  return { ok: false, code: 'INTERNAL', message: 'Something went wrong in the server.' };
}

function fieldsOf(payload) {
  return typeof payload === 'object' && payload !== null ? payload : {};
}

/**
 * Answers each request of a socket with the function of its name, called with the payload's fields:
 * `{ ok: true, … }`, or `{ ok: false, code, message }`. A client may send anything, and need not
 * ask for an answer.
 */
function answer(socket, requests) {
  let underWay = 0;
  async function reply(handle, args) {
    const acknowledge = typeof args.at(-1) === 'function' ? args.pop() : silent;
    if (underWay >= MOST_UNDER_WAY) return acknowledge(told(BUSY));
    underWay += 1;
    try {
      acknowledge({ ok: true, ...(await handle(fieldsOf(args[0]))) });
    } catch (error) {
      acknowledge(told(error));
    } finally {
      underWay -= 1;
    }
  }
  for (const [name, handle] of Object.entries(requests)) {
    socket.on(name, (...args) => reply(handle, args));
  }
}

module.exports = { answer };
