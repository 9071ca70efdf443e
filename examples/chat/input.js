'use strict';

// All input from a socket is read here first: it may contain anything.

const { Refusal } = require('./refusal');

const LONGEST_NAME = 32;
const LONGEST_TEXT = 2000;
const LONGEST_SEARCH = 100;
/** PostgreSQL accepts no NUL, and a page shows none of the others. */
const CONTROL = /[^\P{Cc}\n\t]/u;

function readText(value, { longest, code }) {
  const text = typeof value === 'string' && value.length <= longest * 4 ? value.trim() : '';
  if (text.length === 0 || text.length > longest || CONTROL.test(text) || !text.isWellFormed()) {
    throw new Refusal(code, `A text of 1 to ${longest} characters is needed here.`);
  }
  return text;
}

/** The id is a name in its form for addresses: Zoë and zoë have the same. */
function readUser(value) {
  const name = readText(value, { longest: LONGEST_NAME, code: 'INVALID_NAME' }).replace(/\s+/g, ' ');
  const id = name.normalize('NFKC').toLowerCase().replace(/[^\p{L}\p{M}\p{N}]+/gu, '-').replace(/^-|-$/g, '');
  if (id === '') throw new Refusal('INVALID_NAME', 'A name needs a letter or a digit.');
  return { id, name };
}

function readId(value) {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Refusal('NOT_FOUND', 'There is no such message.');
}

const readMessageText = (value) => readText(value, { longest: LONGEST_TEXT, code: 'INVALID_TEXT' });
const readSearch = (value) => readText(value, { longest: LONGEST_SEARCH, code: 'INVALID_TEXT' });
const readParent = (value) => (value === undefined || value === null ? null : readId(value));

function readFlag(value) {
  if (typeof value === 'boolean') return value;
  throw new Refusal('INVALID_VALUE', 'Either true or false is needed here.');
}

module.exports = { readFlag, readId, readMessageText, readParent, readSearch, readUser };
