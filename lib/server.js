'use strict';

// The address of the server and the login, from the options or else from the environment. A mistake
// in an option is thrown. A mistake in the environment is an operator's mistake and no reason for
// the program to fail: it is returned. It names the variable and never contains its value.

const net = require('node:net');
const check = require('./check');
const { typeError, rangeError } = require('./errors');
const { DEFAULT_PORT, parseUrl, parseHosts, isUnusable, isPort } = require('./url');

const DEFAULT_HOST = 'localhost';
const MAX_DB = 2 ** 31 - 1;
/** The value that Kubernetes puts into REDIS_PORT for a service named redis. */
const LINK = /^(tcp|udp|sctp):\/\//i;

/**
 * `{ hosts, path, tls, username, password, db, mistake }`: the first of url, host and port,
 * REDIS_URL, the other variables.
 */
function locate(options, env, logger) {
  const given = {
    url: usableUrl(text(options, 'url')?.trim(), 'url', logger),
    hosts: hostsOption(options),
    port: portOption(options),
    username: text(options, 'username'),
    password: text(options, 'password'),
    db: dbOption(options),
  };
  const found = given.url ?? attempt(() => fromEnvironment(env, given, logger));
  return {
    hosts: [],
    tls: false,
    ...found,
    username: given.username ?? found.username,
    password: given.password ?? found.password,
    db: given.db ?? found.db ?? 0,
  };
}

/** An error with a code is an operator's mistake. */
function attempt(read) {
  try {
    return read();
  } catch (error) {
    if (error.code === undefined) throw error;
    return { mistake: error.message };
  }
}

function fromEnvironment(env, { hosts, port, db }, logger) {
  if (hosts === undefined && port === undefined) {
    const url = usableUrl(variable(env, ['REDIS_URL'])?.value, 'REDIS_URL', logger);
    if (url) return { ...url, db: url.db ?? dbOf(env, db) };
  }
  return {
    hosts: (hosts ?? hostsOf(env)).map((host) => ({ host, port: port ?? portOf(env) })),
    username: variable(env, spellings('USER'))?.value,
    password: variable(env, spellings('PASSWORD'))?.value,
    db: dbOf(env, db),
  };
}

function usableUrl(url, setting, logger) {
  if (url === undefined) return undefined;
  const reason = isUnusable(url);
  if (!reason) return parseUrl(url, setting);
  logger.warn(`⚠️  redis-backplane ignores ${setting}: it ${reason}`);
  return undefined;
}

/** `REDISHOST` before `REDIS_HOST`, and so on. */
function spellings(part) {
  return [`REDIS${part}`, `REDIS_${part}`];
}

/**
 * The first that is set, without surrounding white space. `isUnset` defines values that also count
 * as unset.
 */
function variable(env, names, isUnset = /^$/) {
  for (const name of names) {
    const value = env[name]?.trim() ?? '';
    if (value !== '' && !isUnset.test(value)) return { name, value };
  }
  return undefined;
}

function hostsOf(env) {
  const found = variable(env, spellings('HOST'));
  return found ? checkHosts(found.value, found.name) : [DEFAULT_HOST];
}

function portOf(env) {
  const found = variable(env, spellings('PORT'), LINK);
  return found ? checkPort(/^\d+$/.test(found.value) ? Number(found.value) : NaN, found.name) : DEFAULT_PORT;
}

/** Ignored when an option takes its place. */
function dbOf(env, given) {
  const found = given === undefined ? variable(env, ['REDIS_DB']) : undefined;
  return found && checkDb(/^\d+$/.test(found.value) ? Number(found.value) : NaN, found.name);
}

function hostsOption(options) {
  const value = text(options, 'host')?.trim();
  return value === undefined ? undefined : checkHosts(value, 'host');
}

function portOption({ port }) {
  return port === undefined ? undefined : checkPort(port, 'port');
}

function dbOption({ db }) {
  if (db === undefined || db === null) return undefined;
  if (typeof db !== 'number') throw typeError('E_INVALID_OPTION', `db must be a number, not ${check.kindOf(db)}`);
  return checkDb(db, 'db');
}

/** Names or addresses, without ports. */
function checkHosts(value, setting) {
  const isOne = (host) => net.isIPv6(host) || (!/:\d*$/.test(host) && parseHosts(host) !== undefined);
  const hosts = value.split(',').map((host) => host.trim());
  if (hosts.every(isOne)) return hosts.map((host) => (net.isIPv6(host) ? host : parseHosts(host)[0].host));
  throw typeError('E_INVALID_OPTION', `${setting} must be the name or the address of a host`);
}

function checkPort(port, setting) {
  if (isPort(port)) return port;
  throw rangeError('E_INVALID_PORT', `${setting} must be a whole number from 1 to 65535`);
}

function checkDb(db, setting) {
  if (Number.isInteger(db) && db >= 0 && db <= MAX_DB) return db;
  throw rangeError('E_INVALID_OPTION', `${setting} must be a whole number from 0 on`);
}

function text(options, name) {
  const value = options[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw typeError('E_INVALID_OPTION', `${name} must be a string, not ${check.kindOf(value)}`);
}

module.exports = { locate, text };
