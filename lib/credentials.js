'use strict';

// The caller's function `credentials`, called before every login. Its result is sent to the server
// and stored nowhere. Any other outcome is an outage with a reason.

const MAX_UNITS = 64 * 1024;
/**
 * The part of an error that may be shown: its message could contain a secret; its code or name
 * hardly.
 */
const WORD = /^\w{1,40}$/;

/** `{ username, password }`, or `{ why }` there are none. Never rejects. */
async function askCredentials(credentials) {
  try {
    return read(await credentials());
  } catch (error) {
    return { why: `credentials() failed${wordOf(error)}` };
  }
}

function read(answer) {
  const { username, password } = answer;
  const isLogin = [username, password].every(isPart) && (username || password);
  if (isLogin) return { username: username || undefined, password: password || undefined };
  return { why: 'credentials() did not answer { username, password }' };
}

function isPart(part) {
  if (part === undefined || part === null) return true;
  return typeof part === 'string' && part.length <= MAX_UNITS && part.isWellFormed();
}

/** ` (ECONNREFUSED)` */
function wordOf(error) {
  try {
    const word = [error.code, error.name].find((one) => typeof one === 'string' && WORD.test(one));
    return word ? ` (${word})` : '';
  } catch {
    return '';
  }
}

module.exports = { askCredentials };
