'use strict';

const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');

const SIDES = { ours: ['ours'], usual: ['usual'], both: ['ours', 'usual'] };
const FULL = { clients: 2000, rate: 200, seconds: 300, outage: 10 };
const RESULTS = path.join(__dirname, '..', 'results');

function readNumber(name, text) {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new RangeError(`--${name} takes a whole number, not ${text}`);
}

function readOptions(args) {
  const text = { type: 'string' };
  const options = { clients: text, rooms: text, rate: text, seconds: text, outage: text, modules: { ...text, default: 'both' }, out: text };
  const { values } = parseArgs({ args, options });
  if (!(values.modules in SIDES)) throw new RangeError(`--modules takes one of ${Object.keys(SIDES).join(', ')}`);
  const numbers = Object.fromEntries(Object.entries(FULL).map(([name, usual]) => [name, readNumber(name, values[name] ?? String(usual))]));
  const rooms = Math.max(2, readNumber('rooms', values.rooms ?? String(Math.min(50, Math.ceil(numbers.clients / 40)))));
  const isFull = values.modules === 'both' && Object.entries(FULL).every(([name, usual]) => numbers[name] === usual);
  const file = path.join(RESULTS, isFull ? 'load.json' : 'load.partial.json');
  return { ...numbers, rooms, sides: SIDES[values.modules], processes: os.cpus().length, out: values.out ? path.resolve(values.out) : file };
}

module.exports = { readOptions };
