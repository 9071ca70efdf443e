'use strict';

const { KINDS } = require('../ears');

// No channel is a prefix of another: a pattern matches one of them.
const CHANNELS = Array.from({ length: 6 }, (_, i) => `channel ${i};`);
const MOST = 20;
/** Of each instance; with fewer, the final check would have little to examine. */
const FEWEST = 3;

function createRound({ x, world, below, pick, oneIn }) {
  const ears = world.ears.get(x);

  async function change() {
    const isFull = ears.size >= MOST;
    if (isFull || (ears.size > FEWEST && oneIn(2))) await ears.end(pick(ears.all()));
    else await ears.open(pick(KINDS), pick(CHANNELS));
  }

  return async function round() {
    await change();
    await Promise.all(Array.from({ length: 1 + below(6) }, () => ears.publish(pick(CHANNELS))));
    await world.servers.get(x).round();
  };
}

module.exports = { CHANNELS, createRound };
