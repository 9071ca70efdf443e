'use strict';

const { startRedis, until } = require('./support');
const { recordingLogger } = require('./support/environment');
const { NOBODY, silent } = require('./support/places');
const { resultOf } = require('./support/program');
const { createBackplane } = require('..');

const EVENTS = ['connect', 'ready', 'error', 'close', 'reconnecting', 'end'];

let redis;
let backplane;

beforeEach(async () => {
  redis = await startRedis();
});

afterEach(async () => {
  await backplane?.close();
  await redis.stop();
});

/** A client and the names of its events as they come; repeated attempts that fail are one. */
function watch(options) {
  backplane = createBackplane({ url: redis.url, logger: silent, ...options });
  const client = backplane.getClient();
  const seen = [];
  const errors = [];
  for (const name of EVENTS) client.on(name, () => seen.push([name, client.status]));
  client.on('error', (error) => errors.push(error));
  const names = () => seen.map(([name]) => name);
  return { client, seen, errors, names };
}

const first = (names, name) => names.indexOf(name);

test('connect, then ready, when Redis is there', async () => {
  const { client, seen } = watch();
  await client.connect();
  await until(() => seen.length >= 2, { what: 'both events' });
  expect(seen).toEqual([['connect', 'ready'], ['ready', 'ready']]);
});

test('close, then end, on close, and nothing after it', async () => {
  const { client, names } = watch();
  await client.connect();
  await backplane.close();
  await until(() => names().includes('end'), { what: 'end' });
  expect(names()).toEqual(['connect', 'ready', 'close', 'end']);
  expect(client.status).toBe('end');
});

test('error, close and reconnecting when Redis dies, connect and ready when it is back', async () => {
  const { client, names, errors } = watch();
  await client.connect();
  await redis.kill();
  await until(() => client.status === 'reconnecting', { what: 'known to be away' });
  await until(() => names().includes('reconnecting'), { what: 'the event' });
  const gone = names().slice(2);
  expect(gone).toEqual(expect.arrayContaining(['error', 'close', 'reconnecting']));
  expect(first(gone, 'close')).toBeLessThan(first(gone, 'reconnecting'));
  expect(errors[0]).toBeInstanceOf(Error);
  expect(new Set(errors.map((error) => error.code))).toEqual(new Set(['E_UNAVAILABLE']));
  await redis.restart();
  await until(() => client.status === 'ready' && names().filter((name) => name === 'ready').length === 2, { what: 'ready again' });
  expect(names().slice(-2)).toEqual(['connect', 'ready']);
});

test('error and reconnecting when Redis was never there', async () => {
  const { names } = watch({ url: NOBODY });
  await until(() => names().includes('reconnecting'), { what: 'the event' });
  expect(names()).toContain('error');
  expect(names()).not.toContain('ready');
});

test('an error that nobody listens to is logged, once an outage, and throws nothing', async () => {
  const logger = recordingLogger();
  backplane = createBackplane({ url: NOBODY, logger });
  const client = backplane.getClient();
  let attempts = 0;
  client.on('reconnecting', () => {
    attempts += 1;
  });
  await until(() => attempts >= 4, { what: 'several attempts' });
  expect(logger.lines.filter((line) => /^(warn|error)/.test(line))).toHaveLength(1);
});

test('once and off work as they do on any emitter', async () => {
  backplane = createBackplane({ url: redis.url, logger: silent });
  const client = backplane.getClient();
  const calls = [];
  const removed = () => calls.push('removed');
  expect(client.on('ready', removed)).toBe(client);
  expect(client.off('ready', removed)).toBe(client);
  client.once('ready', () => calls.push('once'));
  client.on('ready', () => calls.push('on'));
  await client.connect();
  await until(() => calls.includes('on'), { what: 'ready' });
  await redis.restart();
  await until(() => calls.filter((call) => call === 'on').length === 2, { what: 'ready again' });
  expect(calls).toEqual(['once', 'on', 'on']);
});

test('a listener that throws keeps no other from its event; what it throws is logged', async () => {
  const { uncaught, logged, heard, ...result } = await resultOf('throwing-listener.js');
  expect(result).toEqual({ answers: [true, 1], status: 'ready', quit: 'OK' });
  for (const who of ['client', 'subscriber']) {
    const own = heard.filter((event) => event.startsWith(who));
    expect([...new Set(own)]).toEqual(expect.arrayContaining(['connect', 'ready', 'error', 'close', 'reconnecting', 'end'].map((event) => `${who} ${event}`)));
    expect(own.slice(-2)).toEqual([`${who} close`, `${who} end`]);
  }
  expect(uncaught).toEqual([]);
  expect(logged.map((line) => /<(.*)>/.exec(line)[1]).sort()).toEqual(heard.sort());
});

test('handlers may call the backplane', async () => {
  backplane = createBackplane({ url: redis.url, logger: silent });
  const client = backplane.getClient();
  const read = new Promise((resolve, reject) => {
    client.on('ready', () => backplane.cacheGetOrSet('k', () => 'loaded').then(resolve, reject));
  });
  expect(await read).toBe('loaded');
  const ended = new Promise((resolve) => {
    client.on('end', () => resolve(backplane.close()));
  });
  await client.quit();
  await ended;
});
