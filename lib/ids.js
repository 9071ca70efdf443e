'use strict';

// Ids in any notation: as an argument, and within data, where an id is taken in its JSON form.

/** A whole number is the id that has its digits. */
function idOf(value) {
  return Number.isSafeInteger(value) || typeof value === 'bigint' ? String(value) : value;
}

/** An object with `toJSON` is the id that it returns; undefined for none. */
function idWithin(value) {
  const told = typeof value === 'object' ? JSON.parse(JSON.stringify(value) ?? 'null') : value;
  if (typeof told === 'number') return Number.isFinite(told) ? String(told) : undefined;
  return idOf(told) ?? undefined;
}

module.exports = { idOf, idWithin };
