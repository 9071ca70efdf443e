'use strict';

const COUNT = 1000;
const MINUTE = 60;
const DAY = 24 * 3600;

/**
 * How long each kind of key may last, in seconds, as documented in docs/keys.md; Infinity: it has
 * no TTL. `stays`: some may remain when everything has been removed and released. Results and
 * sessions are invalid then, but one whose tag was lost in a fault is not found by its
 * invalidation.
 */
const KINDS = {
  'cache:': { longest: 60 + 60 + 35 },
  'limit:fixed:': { longest: 30, stays: true },
  'limit:sliding:': { longest: 2 * 30, stays: true },
  'limit:bucket:': { longest: 30, stays: true },
  'lock:': { longest: 30 },
  'lock-fence:': { longest: 30 + 10 * MINUTE, stays: true },
  'lock-queue:': { longest: MINUTE, stays: true },
  'presence-socket:': { longest: 3600, stays: true },
  'presence-user:': { longest: 2 * 3600 },
  'presence-user-data:': { longest: 2 * 3600 },
  'presence-seen:': { longest: 30 * DAY, stays: true },
  'presence-room:': { longest: 2 * 3600 },
  'presence-room-data:': { longest: 2 * 3600 },
  'presence-lives': { longest: Infinity, stays: true },
  'query:': { longest: 60, stays: true },
  'query-name:': { longest: 10 * MINUTE, stays: true },
  'query-room:': { longest: 10 * MINUTE, stays: true },
  'session:': { longest: 60, stays: true },
  'session-user:': { longest: 10 * MINUTE, stays: true },
  'message:': { longest: 300, stays: true },
  'message-all': { longest: 10 * MINUTE, stays: true },
  'invalidated:': { longest: 10 * MINUTE, stays: true },
  'backplane:mark': { longest: DAY, stays: true },
  'raw:': { longest: 60, stays: true },
};

const NAMES = Object.keys(KINDS).sort((a, b) => b.length - a.length);

async function allKeys(redis) {
  const found = new Set();
  let cursor = '0';
  do {
    const [next, keys] = await redis.command('SCAN', cursor, 'COUNT', COUNT);
    for (const key of keys) found.add(key);
    cursor = next;
  } while (cursor !== '0');
  return [...found];
}

/**
 * The existing keys by kind: how many, and the longest TTL in seconds; and what is wrong with them.
 */
async function takeStock(redis, prefixes, { isAtEnd }) {
  const kinds = {};
  const wrong = new Set();
  for (const key of await allKeys(redis)) {
    const ms = await redis.command('PTTL', key);
    // It has expired meanwhile.
    if (ms === -2) continue;
    const prefix = prefixes.find((each) => key.startsWith(each)) ?? '';
    const kind = NAMES.find((name) => key.startsWith(prefix + name)) ?? 'unknown';
    const seconds = ms === -1 ? Infinity : ms / 1000;
    const { longest = 0, stays = false } = KINDS[kind] ?? {};
    if (seconds > longest) wrong.add(`a key ${kind} lasts ${seconds} s and not ${longest} at most`);
    if (isAtEnd && !stays) wrong.add(`a key ${kind} is left`);
    kinds[kind] ??= { keys: 0, longestSeconds: 0 };
    kinds[kind].keys += 1;
    kinds[kind].longestSeconds = Math.max(kinds[kind].longestSeconds, Math.round(seconds));
  }
  return { kinds, wrong: [...wrong] };
}

module.exports = { takeStock };
