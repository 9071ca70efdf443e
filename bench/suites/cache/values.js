'use strict';

// Two names of sixteen are not ASCII: this reveals a client that is fast only for ASCII.
const NAMES = [
  'Ada Byron', 'Grace Hopper', 'Zoë Martin', 'Ivan Petrov', 'Mary Shaw', 'Omar Haddad',
  'Lena Fischer', 'Tom Baker', 'Ana Costa', '田中 花子', 'Paul Weber', 'Rita Levi',
  'Sam Carter', 'Noor Aziz', 'Emma Stone', 'Luis Vega',
];
const CITIES = ['Lyon', 'Porto', 'Leeds', 'Turin', 'Ghent', 'Graz', 'Malmo', 'Cork'];
const TAGS = ['admin', 'beta', 'trial', 'vip', 'staff', 'partner'];
const COLOURS = ['red', 'green', 'blue', 'black', 'white', 'amber'];
const WORDS = 'the order was packed by hand and left at the side door as agreed on the phone ';

const LAST_ITEM_ROOM = 220;

// Deterministic, so that the harness and every side expect the same values.
function randomSource(seed) {
  let state = seed * 2654435761 + 1;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

function makeRecord(id, bytes) {
  const random = randomSource(id);
  const record = makeCustomer(id, random);
  if (bytes > 2 * LAST_ITEM_ROOM) addItems(record, bytes, random);
  record.note = filler(bytes - jsonBytes(record));
  return record;
}

function makeCustomer(id, random) {
  return {
    id,
    name: NAMES[random(NAMES.length)],
    email: `customer.${id}@example.com`,
    active: random(4) > 0,
    score: random(10000) / 100,
    createdAt: new Date(Date.UTC(2024, random(12), 1 + random(28), random(24))).toISOString(),
    address: { street: `${1 + random(200)} Mill Lane`, city: CITIES[random(CITIES.length)] },
    tags: [TAGS[random(TAGS.length)], TAGS[random(TAGS.length)]],
    note: '',
  };
}

function addItems(record, bytes, random) {
  record.items = [];
  let size = jsonBytes(record);
  while (size < bytes - LAST_ITEM_ROOM) {
    const item = makeItem(random);
    record.items.push(item);
    size += jsonBytes(item) + 1;
  }
}

function makeItem(random) {
  return {
    sku: `SKU-${100000 + random(900000)}`,
    title: WORDS.slice(0, 12 + random(30)).trim(),
    quantity: 1 + random(9),
    price: (100 + random(99900)) / 100,
    inStock: random(5) > 0,
    attributes: { colour: COLOURS[random(COLOURS.length)], weights: [random(900), random(900)] },
  };
}

function filler(length) {
  if (length < 0) throw new Error(`the record is ${-length} bytes too long`);
  return WORDS.repeat(Math.ceil(length / WORDS.length)).slice(0, length);
}

function jsonBytes(value) {
  return Buffer.byteLength(JSON.stringify(value));
}

module.exports = { makeRecord };
