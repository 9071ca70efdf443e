'use strict';

// The access rule of docs/keys.md, word for word, with every function.

const fs = require('node:fs');
const path = require('node:path');
const { SERVERS } = require('../../scripts/servers');
const { CALLS } = require('../support/functions');
const { ear } = require('../support/heard');
const { isReady, useStage } = require('../support/stage');
const { deadline } = require('../support');

const OURS = 'the one that the machine has';
const named = (name) => (name === OURS ? undefined : name);
const TEXT = fs.readFileSync(path.join(__dirname, '../../docs/keys.md'), 'utf8');
const [, RULE] = /For a Redis user: `([^`]+)`/.exec(TEXT);

/** What no single call of a function shows. */
const MORE = {
  'a subscriber, a channel': async (a) => {
    const [handle, listener] = [a.createSubscriber(), ear()];
    expect(await handle.subscribe('handles', listener)).toBe(1);
    expect(await a.getClient().publish('handles', 'text')).toBe(1);
    await listener.times(1);
    await handle.unsubscribe('handles');
    expect(await a.getClient().sendCommand(['PUBSUB', 'NUMSUB', 'handles'])).toEqual(['handles', 0]);
  },
  'limits of each kind': async (a) => {
    for (const algorithm of ['fixed-window', 'sliding-window', 'token-bucket']) {
      expect(await a.checkRateLimit(`kind ${algorithm}`, 1, 60, { algorithm })).toMatchObject({ allowed: true, source: 'redis' });
      expect(await a.checkRateLimit(`kind ${algorithm}`, 1, 60, { algorithm })).toMatchObject({ allowed: false });
    }
  },
  'a lock that is waited for, extended and handed over': async (a) => {
    const first = await a.lock('handed', { waitMs: 0 });
    const waiting = a.lock('handed', { waitMs: 5000 });
    expect(await first.extend(60)).toBe(true);
    await first.release();
    await (await waiting).release();
  },
  'values that may be stale, and loaders that fail': async (a) => {
    await expect(a.cacheGetOrSet('fails', () => Promise.reject(new Error('loader')))).rejects.toThrow('loader');
    expect(await a.cacheGetOrSet('fails', () => 'loaded', { staleSeconds: 60 })).toBe('loaded');
    expect(await a.cacheGet('fails')).toBe('loaded');
  },
  'a socket that comes and goes while somebody watches': async (a) => {
    const events = ear();
    const stop = await a.watchRoom('watched', events);
    await a.setPresence('u', 'watched-1', { roomId: 'watched' });
    await a.removePresence('u', 'watched-1');
    await events.times(2);
    await stop();
  },
  'a value that is large': async (a) => {
    const large = 'x'.repeat(600_000);
    expect(await a.cacheSet('large', large)).toBe(true);
    expect(await a.cacheGet('large')).toBe(large);
    expect(await a.cacheDeletePattern('larg?')).toBe(1);
  },
};
const SHARDED = {
  'a subscriber, a sharded channel': async (a) => {
    const [handle, listener] = [a.createSubscriber(), ear()];
    await handle.sSubscribe('shard', listener);
    await a.getClient().sPublish('shard', 'text');
    await listener.times(1);
  },
};

describe.each([OURS, ...SERVERS])('the documented access rule: %s', (name) => {
  const stage = useStage();

  it.each([['no key prefix', ''], ['a key prefix', 'app:']])('every function works with %s', async (_what, keyPrefix) => {
    const redis = await stage.redis({ server: named(name) });
    const words = RULE.replaceAll('<prefix>', keyPrefix).split(' ');
    await redis.command('ACL', 'SETUSER', 'app', 'reset', 'on', '>secret', ...words);
    const url = redis.url.replace('redis://', 'redis://app:secret@');
    const open = async (options) => {
      const backplane = stage.backplane({ commandTimeoutMs: 2000, ...options, keyPrefix });
      await isReady(backplane);
      return backplane;
    };
    const other = await open({ url: redis.url });
    const wrong = {};
    for (const [what, { options, before, call, answers, holds }] of CALLS) {
      const backplane = await open({ url, ...options });
      await before?.(backplane);
      const answer = await deadline(call(backplane), 5000, what).catch(({ code }) => ({ code }));
      const { forbidden, functions } = backplane.getMetrics();
      const fromMemory = Object.values(functions).reduce((sum, counts) => sum + counts.fromMemory, 0);
      const holdsThere = holds === undefined || (await holds(other));
      const isRight = answers === undefined || JSON.stringify(answer) === JSON.stringify(answers);
      if (!isRight || !holdsThere || fromMemory > 0 || Object.keys(forbidden).length > 0) {
        wrong[what] = { answer, holdsThere, fromMemory, forbidden };
      }
    }
    expect(wrong).toEqual({});
    const more = { ...MORE, ...(name === 'Redis 6.2' ? {} : SHARDED) };
    for (const use of Object.values(more)) {
      const backplane = await open({ url });
      await use(backplane);
      expect(backplane.getMetrics().forbidden).toEqual({});
    }
  });
});
