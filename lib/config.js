'use strict';

// From the options of createBackplane and the environment to checked settings. Options win;
// empty strings count as unset. An error names the setting and never holds its value.

const check = require('./check');
const { typeError, rangeError } = require('./errors');
const { parseUrl, isUnusable } = require('./url');
const { createLogger } = require('./log');

const DEFAULT_HOST = 'localhost';
const DEFAULT_PORT = 6379;
const DEFAULTS = { connectTimeoutMs: 2000, commandTimeoutMs: 1000 };
const MEMORY_DEFAULTS = { maxEntries: 100_000, maxBytes: 64 * 1024 * 1024 };
const PUBSUB_DEFAULTS = { maxQueued: 100_000, maxQueuedBytes: 64 * 1024 * 1024 };
/** The first is the default. */
const LOCKS_WHEN_AWAY = ['local', 'deny'];
const MESSAGE_DEFAULTS = { maxEntries: 1000, maxBytes: 64 * 1024 * 1024 };
const LOCAL_DEFAULTS = { maxEntries: 100_000, maxBytes: 64 * 1024 * 1024 };
const LOCAL_TTL = { ttlSeconds: 60 };
const MESSAGE_TTL = { ttlSeconds: 300 };
const QUERY_DEFAULTS = { degradedTtlSeconds: 5 };
const TLS_FIELDS = ['ca', 'cert', 'key', 'servername'];
const NO_LOGIN = { username: undefined, password: undefined, db: 0 };

/** Throws the TypeError or RangeError that every call then rejects with. */
function resolveConfig(options = {}, env = process.env) {
  const error = check.object(options, 'options');
  if (error) throw error;
  const logger = createLogger(options.logger);
  const server = locate(options, env, logger);
  const { maxEntries, maxBytes } = bounds(options.messageCache, 'messageCache', MESSAGE_DEFAULTS);
  return {
    logger,
    credentials: credentials(options),
    messages: { maxEntries, ttlSeconds: ttlSeconds(options.messageCache, 'messageCache', 'ttlSeconds', MESSAGE_TTL) },
    native: {
      ...server,
      tls: tls(options.tls, server.tls),
      username: text(options, 'username') ?? server.username,
      password: text(options, 'password') ?? server.password,
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

/** Where the server is: the first of url, host and port, REDIS_URL, the other variables. */
function locate(options, env, logger) {
  const fromOptions = usableUrl(text(options, 'url'), 'url', logger);
  if (fromOptions) return fromOptions;
  const host = text(options, 'host');
  const port = options.port === undefined ? undefined : checkPort(options.port, 'port');
  if (host === undefined && port === undefined) {
    const fromEnv = usableUrl(env.REDIS_URL, 'REDIS_URL', logger);
    if (fromEnv) return fromEnv;
  }
  return {
    ...NO_LOGIN,
    host: host ?? variable(env, 'HOST')?.value ?? DEFAULT_HOST,
    port: port ?? portFromEnv(env) ?? DEFAULT_PORT,
    username: variable(env, 'USER')?.value,
    password: variable(env, 'PASSWORD')?.value,
  };
}

function usableUrl(url, setting, logger) {
  if (!url) return undefined;
  const reason = isUnusable(url);
  if (reason) {
    logger.warn(`⚠️  redis-backplane ignores ${setting}: it ${reason}`);
    return undefined;
  }
  return parseUrl(url, setting);
}

/** `REDISHOST` before `REDIS_HOST`, and so on. */
function variable(env, part) {
  for (const name of [`REDIS${part}`, `REDIS_${part}`]) {
    if (env[name]) return { name, value: env[name] };
  }
  return undefined;
}

function portFromEnv(env) {
  const found = variable(env, 'PORT');
  if (!found) return undefined;
  return checkPort(/^\d+$/.test(found.value) ? Number(found.value) : NaN, found.name);
}

function checkPort(port, setting) {
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw rangeError('E_INVALID_PORT', `${setting} must be a whole number from 1 to 65535`);
}

function text(options, name) {
  const value = options[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw typeError('E_INVALID_OPTION', `${name} must be a string, not ${check.kindOf(value)}`);
}

/** A function that is asked before every login. */
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

/** The memory before the cache, which nobody has without asking for it. */
function localCache(given) {
  if (given === undefined) return undefined;
  const ttlMs = ttlSeconds(given, 'localCache', 'ttlSeconds', LOCAL_TTL) * 1000;
  return { ...bounds(given, 'localCache', LOCAL_DEFAULTS), ttlMs };
}

/** A TTL that one group of options has. */
function ttlSeconds(given = {}, group, name, defaults) {
  const wrong = check.object(given, group);
  if (wrong) throw wrong;
  const seconds = given[name] ?? defaults[name];
  const error = check.ttl(seconds, `${group}.${name}`);
  if (error) throw error;
  return seconds;
}

/** Who gets a lock while Redis is away. */
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

/** `tls` may turn TLS on by itself (`true` or an object); `rediss://` always does. */
function tls(option, isOn) {
  if (option === undefined || option === false) return isOn ? {} : undefined;
  if (option === true) return {};
  const error = check.object(option, 'tls');
  if (error) throw error;
  const settings = {};
  for (const field of TLS_FIELDS) {
    const value = option[field];
    if (Buffer.isBuffer(value)) settings[field] = value.toString();
    else settings[field] = text(option, field);
  }
  if ((settings.cert === undefined) !== (settings.key === undefined)) {
    throw typeError('E_INVALID_OPTION', 'tls.cert and tls.key go together');
  }
  checkTls(settings);
  return settings;
}

/** What cannot be used at all is told at once, and not at each attempt to connect. */
function checkTls({ ca, cert, key, servername }) {
  try {
    // Loaded late: it takes a fifth of the time in which the package is loaded.
    const { createSecureContext } = require('node:tls');
    createSecureContext({ ca, cert, key });
  } catch {
    throw typeError('E_INVALID_OPTION', 'tls.ca, tls.cert and tls.key must be PEM, and go together');
  }
  const isPem = [ca, cert].every((pem) => pem === undefined || pem.includes('-----BEGIN CERTIFICATE-----'));
  if (!isPem) throw typeError('E_INVALID_OPTION', 'tls.ca and tls.cert must be PEM');
  if (servername !== undefined && !/^[^\s/:@]+$/.test(servername)) {
    throw typeError('E_INVALID_OPTION', 'tls.servername must be a host name');
  }
}

module.exports = { resolveConfig };
