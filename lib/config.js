'use strict';

// Turns the options of createBackplane and the environment into checked settings. Options win;
// empty strings count as unset. An error names the setting and never contains its value.

const check = require('./check');
const { typeError, rangeError } = require('./errors');
const { createLogger } = require('./log');
const { locate, text } = require('./server');
const { noTls, tls, INSTEAD } = require('./tls');

/** The options that exist, and the options within them. */
const OPTIONS = {
  url: null, host: null, port: null, db: null, username: null, password: null, credentials: null, keyPrefix: null,
  connectTimeoutMs: null, commandTimeoutMs: null, logger: null,
  tls: ['ca', 'cert', 'key', 'servername'],
  memory: ['maxEntries', 'maxBytes'],
  pubsub: ['maxQueued', 'maxQueuedBytes'],
  locks: ['onUnavailable'],
  presence: ['heartbeat'],
  localCache: ['maxEntries', 'maxBytes', 'ttlSeconds'],
  messageCache: ['maxEntries', 'maxBytes', 'ttlSeconds'],
  queryCache: ['degradedTtlSeconds'],
};
const DEFAULTS = { connectTimeoutMs: 2000, commandTimeoutMs: 1000 };
const MEMORY_DEFAULTS = { maxEntries: 100_000, maxBytes: 128 * 1024 * 1024 };
const PUBSUB_DEFAULTS = { maxQueued: 100_000, maxQueuedBytes: 64 * 1024 * 1024 };
/** The first one is the default. */
const LOCKS_WHEN_AWAY = ['local', 'deny'];
const MESSAGE_DEFAULTS = { maxEntries: 1000, maxBytes: 64 * 1024 * 1024 };
const LOCAL_DEFAULTS = { maxEntries: 100_000, maxBytes: 64 * 1024 * 1024 };
const LOCAL_TTL = { ttlSeconds: 60 };
const MESSAGE_TTL = { ttlSeconds: 300 };
const QUERY_DEFAULTS = { degradedTtlSeconds: 5 };

/** Throws the TypeError or RangeError that every call then rejects with. */
function resolveConfig(options = {}, env = process.env) {
  const error = check.object(options, 'options');
  if (error) throw error;
  checkNames(options);
  const logger = createLogger(options.logger);
  const server = locate(options, env, logger);
  const { maxEntries, maxBytes } = bounds(options.messageCache, 'messageCache', MESSAGE_DEFAULTS);
  return {
    logger,
    credentials: credentials(options),
    messages: { maxEntries, ttlSeconds: ttlSeconds(options.messageCache, 'messageCache', 'ttlSeconds', MESSAGE_TTL) },
    native: {
      ...server,
      tls:
        server.path === undefined
          ? tls(options.tls, { isOn: server.tls, hosts: server.hosts.map(({ host }) => host) }, env, logger)
          : noTls(options.tls),
      asksForCredentials: credentials(options) !== undefined,
      keyPrefix: keyPrefix(options),
      connectTimeoutMs: timeout(options, 'connectTimeoutMs'),
      commandTimeoutMs: timeout(options, 'commandTimeoutMs'),
      ...bounds(options.memory, 'memory', MEMORY_DEFAULTS),
      ...bounds(options.pubsub, 'pubsub', PUBSUB_DEFAULTS),
      denyLocks: locksWhenAway(options.locks) === 'deny',
      presenceHeartbeat: hasHeartbeat(options.presence),
      localCache: localCache(options.localCache),
      maxMessages: maxEntries,
      maxMessageBytes: maxBytes,
      degradedQueryTtlMs: ttlSeconds(options.queryCache, 'queryCache', 'degradedTtlSeconds', QUERY_DEFAULTS) * 1000,
    },
  };
}

/** A function that is called before every login. */
function credentials(options) {
  const value = options.credentials ?? undefined;
  if (value === undefined || typeof value === 'function') return value;
  throw typeError('E_INVALID_OPTION', `credentials must be a function, not ${check.kindOf(value)}`);
}

function keyPrefix(options) {
  const prefix = text(options, 'keyPrefix') ?? '';
  if (prefix.isWellFormed()) return prefix;
  throw rangeError('E_INVALID_OPTION', 'keyPrefix must be well-formed Unicode');
}

function timeout(options, name) {
  const value = options[name] ?? DEFAULTS[name];
  const error = check.timeoutMs(value, name);
  if (error) throw error;
  return value;
}

/** The numbers of one group of options, each above 0. */
function bounds(given = {}, group, defaults) {
  const error = check.object(given, group);
  if (error) throw error;
  const resolved = {};
  for (const [name, fallback] of Object.entries(defaults)) {
    resolved[name] = given[name] ?? fallback;
    if (!Number.isSafeInteger(resolved[name]) || resolved[name] < 1) {
      throw rangeError('E_INVALID_OPTION', `${group}.${name} must be a whole number above 0`);
    }
  }
  return resolved;
}

/** The local cache in front of the cache, which is off by default. */
function localCache(given) {
  if (given === undefined) return undefined;
  const ttlMs = ttlSeconds(given, 'localCache', 'ttlSeconds', LOCAL_TTL) * 1000;
  return { ...bounds(given, 'localCache', LOCAL_DEFAULTS), ttlMs };
}

/** The TTL of one group of options. */
function ttlSeconds(given = {}, group, name, defaults) {
  const wrong = check.object(given, group);
  if (wrong) throw wrong;
  const seconds = given[name] ?? defaults[name];
  const error = check.ttl(seconds, `${group}.${name}`);
  if (error) throw error;
  return seconds;
}

/** Who gets a lock during a Redis outage. */
function locksWhenAway(given = {}) {
  const error = check.object(given, 'locks');
  if (error) throw error;
  const choice = given.onUnavailable ?? LOCKS_WHEN_AWAY[0];
  if (LOCKS_WHEN_AWAY.includes(choice)) return choice;
  throw typeError('E_INVALID_OPTION', `locks.onUnavailable must be one of ${LOCKS_WHEN_AWAY.join(', ')}`);
}

/** Whether presence lasts as long as this process. */
function hasHeartbeat(given = {}) {
  const error = check.object(given, 'presence');
  if (error) throw error;
  const { heartbeat = false } = given;
  if (typeof heartbeat === 'boolean') return heartbeat;
  throw typeError('E_INVALID_OPTION', 'presence.heartbeat must be true or false');
}

/** An unknown option is refused, because somebody relies on it. */
function checkNames(options) {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(OPTIONS, name)) throw unknown(name, 'options', Object.keys(OPTIONS));
    const within = OPTIONS[name];
    if (!within || typeof value !== 'object' || value === null) continue;
    const other = Object.keys(value).find((inner) => value[inner] !== undefined && !within.includes(inner));
    if (other !== undefined) throw unknown(other, name, within);
  }
}

function unknown(name, group, known) {
  const said = group === 'tls' ? INSTEAD[name] : undefined;
  return check.option(`${group}.${name.slice(0, 40)} is not an option: ${said ?? `there are ${known.join(', ')}`}`);
}

module.exports = { resolveConfig };
