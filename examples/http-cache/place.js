'use strict';

// The requests of a visitor. They come from a URL, so they may contain anything.

const LIMITS = {
  x: { least: -2.5, most: 1.5, digits: 12 },
  y: { least: -1.5, most: 1.5, digits: 12 },
  zoom: { least: 1, most: 1_000_000, digits: 3 },
};
const NUMBER = /^-?\d{1,9}(\.\d{1,20})?(e-\d{1,2})?$/i;

class BadRequest extends Error {
  status = 400;
}

/** The message never repeats the input, because it appears in a log and on a page. */
function readNumber(query, name) {
  const { least, most, digits } = LIMITS[name];
  const given = query.getAll(name);
  const value = given.length === 1 && NUMBER.test(given[0]) ? Number(given[0]) : NaN;
  if (!(value >= least && value <= most)) {
    throw new BadRequest(`${name} must be one number from ${least} to ${most}.`);
  }
  // One notation per place means one key; adding 0 turns -0 into 0.
  return Number(value.toFixed(digits)) + 0;
}

/** Throws BadRequest. */
function readPlace(query) {
  return { x: readNumber(query, 'x'), y: readNumber(query, 'y'), zoom: readNumber(query, 'zoom') };
}

module.exports = { BadRequest, readPlace };
