'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

/** The time after which an instance has received another's changes. */
const NEWS_MS = 250;

const TEXTS = 20;

function createRound({ x, either, freshWhenCalm, name, below, oneIn }) {
  const texts = Array.from({ length: TEXTS }, (_, i) => `${name}: text ${i}`);
  const known = texts.map(freshWhenCalm);
  let rounds = 0;

  return async function round() {
    rounds += 1;
    const which = rounds % TEXTS;
    const message = known[which];
    const hash = x.backplane.messageCache.generateHash(texts[which], 7, 'ada');
    x.count('messageCache.generateHash');
    const get = (y) => y.call('messageCache.get', hash);
    const set = (_, version) => x.call('messageCache.set', hash, version);
    await message.write(x, set);
    await message.read(x, get);
    await message.write(x, set);
    await message.read(x, get);
    await sleep(NEWS_MS);
    await message.read(either(), get);
    if (oneIn(20)) await message.write(x, () => x.call('messageCache.clear'));
    await message.read(x, get);
    if (below(5) > 0) return;
    x.backplane.messageCache.clearExpired();
    x.count('messageCache.clearExpired');
    await x.call('messageCache.getStats');
  };
}

module.exports = { createRound };
