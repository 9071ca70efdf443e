'use strict';

const net = require('node:net');
const { domainToASCII, URLSearchParams } = require('node:url');

const { typeError } = require('./errors');

const DEFAULT_PORT = 6379;
/** Whether each scheme uses TLS. */
const SCHEMES = { redis: false, rediss: true, valkey: false, valkeys: true };
const TEMPLATE = /\$\{\{/;
const WITHOUT_HOST = /^(redis|valkey)s?:(\/\/([^/?#]*@)?(:\d*)?([/?#]|$)|\/(?!\/)|$)/i;
/** Login, hosts, path and query; only the hosts are required. */
const FORM = /^(?:([^/?#]*)@)?([^/?#@]+)(?:\/([^?#]*))?(?:\?([^#]*))?(?:#.*)?$/s;
const HOST = /^(?:\[([^\][]+)\]|([^\s:\][]+))(?::(\d*))?$/;
const NAME = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}._-]*$/u;

/** Why a URL cannot be intended: deployment tools leave such URLs behind. Null if it can. */
function isUnusable(url) {
  if (TEMPLATE.test(url)) return 'holds a template that was not filled in';
  if (WITHOUT_HOST.test(url)) return 'names no host';
  return null;
}

/**
 * `{ hosts, path, tls, username, password, db }`; the database is undefined if the URL has none.
 * Errors name `setting`, never the URL itself, which may contain a password.
 */
function parseUrl(url, setting) {
  const invalid = (why) => typeError('E_INVALID_URL', `${setting} is not a valid Redis URL: ${why}`);
  const [, name, rest] = /^(?:([a-z]+):\/\/)?(.*)$/is.exec(url);
  const scheme = name?.toLowerCase();
  if (scheme === undefined && !isBare(url)) throw invalid('it must begin with redis://, rediss://, valkey://, valkeys:// or unix://, or be host:port');
  if (scheme !== undefined && scheme !== 'unix' && !Object.hasOwn(SCHEMES, scheme)) throw invalid('its scheme is none of redis, rediss, valkey, valkeys and unix');
  const parts = scheme === 'unix' ? splitUnix(url) : splitTcp(rest);
  if (!parts) throw invalid('it cannot be parsed; special characters of a password must be percent-encoded');
  if (parts.dbs.some((db) => !/^\d{1,9}$/.test(db) || Number(db) !== Number(parts.dbs[0]))) throw invalid('the database must be one number');
  try {
    return {
      hosts: parts.hosts,
      path: parts.path && decodeURIComponent(parts.path),
      tls: SCHEMES[scheme] ?? false,
      username: decodeURIComponent(parts.username) || undefined,
      password: decodeURIComponent(parts.password) || undefined,
      db: parts.dbs.length > 0 ? Number(parts.dbs[0]) : undefined,
    };
  } catch {
    throw invalid('a part of it is not percent-encoded as it should be');
  }
}

/** `host:port`, or several, without a scheme: each with its port, and no login. */
function isBare(url) {
  const [, login, hosts] = FORM.exec(url) ?? [];
  return login === undefined && hosts !== undefined && hosts.split(',').every((host) => /:\d+$/.test(host.trim()));
}

function splitTcp(rest) {
  const [, login = '', authority, path = '', query = ''] = FORM.exec(rest) ?? [];
  const hosts = authority && parseHosts(authority);
  if (!hosts) return undefined;
  const [username, password = ''] = login.split(/:(.*)/s);
  const dbs = [path, ...new URLSearchParams(query).getAll('db')].filter((db) => db !== '');
  return { hosts, username, password, dbs };
}

/** `unix://user:password@/path?db=1`, which is not a URL to WHATWG: a user, and no host. */
function splitUnix(url) {
  const match = /^unix:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?(?:localhost)?(\/[^?#]+)(?:\?db=([^&#]*))?$/i.exec(url);
  if (!match) return undefined;
  const [, username = '', password = '', path, db = ''] = match;
  return { hosts: [], username, password, path, dbs: db === '' ? [] : [db] };
}

/** `a:1,b:2,[::1]:3` as `[{ host, port }]`; undefined if it is anything else. */
function parseHosts(text, defaultPort = DEFAULT_PORT) {
  const hosts = text.split(',').map((one) => parseHost(one.trim(), defaultPort));
  return hosts.every((host) => host !== undefined) ? hosts : undefined;
}

function parseHost(text, defaultPort) {
  const [, v6, name, port = ''] = HOST.exec(text) ?? [];
  const host = v6 === undefined ? hostName(name) : net.isIPv6(v6) && v6;
  const number = port === '' ? defaultPort : Number(port);
  return host && isPort(number) ? { host, port: number } : undefined;
}

/** A name or an address as it is looked up; undefined if it is neither. */
function hostName(name) {
  if (name === undefined || net.isIP(name)) return name;
  if (!NAME.test(name)) return undefined;
  return /^[\x20-\x7e]*$/.test(name) ? name : domainToASCII(name) || undefined;
}

function isPort(port) {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

module.exports = { DEFAULT_PORT, parseUrl, parseHosts, isUnusable, isPort };
