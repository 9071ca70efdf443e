'use strict';

// `npm run demo`: a Redis, a database, and two instances of the chat; see README.md.

const { randomBytes } = require('node:crypto');
const { openConnection } = require('./database/open');
const { Instance } = require('./demo/instance');
const { findRedis } = require('./demo/redis');
const { readPort } = require('./settings');

const instances = new Map();
/** Everything that has been started; ended in reverse order. */
const closers = [];
let isEnding = false;

class Ended extends Error {}

/** Nothing more is started once it is ending. */
async function unlessEnding(step) {
  const result = await step;
  if (isEnding) throw new Ended();
  return result;
}

/** The environment of the instances, and what to print about it. */
async function openRedis() {
  if (process.env.REDIS_URL) return { names: ['A', 'B'], env: {}, says: 'the one that REDIS_URL names' };
  const redis = await unlessEnding(findRedis(() => isEnding || console.log('Redis has ended.')));
  if (redis === null) return { names: ['A'], env: {}, says: 'no redis-server on PATH: one instance, which works in memory' };
  closers.push(() => redis.run(false));
  await unlessEnding(redis.run(true));
  const run = async (isToRun) => {
    await redis.run(isToRun);
    if (isToRun) console.log('Redis has been started.');
  };
  return { names: ['A', 'B'], env: { REDIS_URL: redis.url, CHAT_DEMO: 'redis' }, says: redis.name, run };
}

/** PGlite works in one process only: this one, which the instances ask. */
async function openDatabase() {
  if (process.env.DATABASE_URL) return { env: {}, says: 'the PostgreSQL that DATABASE_URL names' };
  const connection = await unlessEnding(openConnection());
  closers.push(() => connection.close());
  // Instances that share a Redis but no database share no keys.
  const env = { KEY_PREFIX: `chat-${randomBytes(6).toString('hex')}:` };
  return { env, says: 'PGlite, in memory; gone when this ends', query: connection.query };
}

function tellOthers() {
  const running = [...instances.values()].filter(({ url }) => url !== null);
  for (const instance of instances.values()) {
    const others = running.filter((other) => other !== instance).map(({ name, url }) => ({ instance: name, url }));
    instance.tell({ type: 'others', others });
  }
}

function start(name, { env, answers }) {
  const instance = new Instance({ name, env, answers });
  instances.set(name, instance);
  closers.push(() => instance.end());
  instance.ended.then(({ code, signal }) => {
    instances.delete(name);
    if (isEnding) return;
    console.log(`Instance ${name} has ended (${signal ?? code}).`);
    if (instances.size === 0) end(1);
    else tellOthers();
  });
  return instance;
}

async function main() {
  const port = readPort(process.env.PORT);
  console.log('One moment …');
  const redis = await openRedis();
  const database = await openDatabase();
  const answers = {
    query: ({ text, parameters }) => database.query(text, parameters),
    redis: ({ run }) => redis.run(run),
  };
  const started = redis.names.map((name, i) => {
    const env = { CHAT_DEMO: 'on', ...redis.env, ...database.env, PORT: String(port === 0 ? 0 : port + i) };
    return start(name, { env, answers });
  });
  await unlessEnding(Promise.all(started.map(({ listening }) => listening)));
  tellOthers();
  introduce({ redis, database });
}

function introduce({ redis, database }) {
  const addresses = [...instances.values()].map(({ name, url }) => `  Instance ${name}   ${url}`);
  console.log([
    '',
    ...addresses,
    `  Redis        ${redis.says}`,
    `  Database     ${database.says}`,
    '  The talk     five plays by William Shakespeare; see examples/chat/corpus/NOTICE',
    '',
    addresses.length > 1 ? 'Open both. Ctrl-C ends everything.' : 'Open it twice. Ctrl-C ends everything.',
    '',
  ].join('\n'));
}

async function end(code) {
  if (isEnding) return;
  isEnding = true;
  const steps = closers.splice(0).reverse();
  for (const close of steps) await close().catch((error) => console.error(error.message));
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  // Once: a second Ctrl-C ends it immediately, as usual.
  process.once(signal, () => {
    console.log('\nClosing.');
    end(0);
  });
}

main().catch((error) => {
  if (error instanceof Ended || isEnding) return;
  console.error(error.message);
  end(1);
});
