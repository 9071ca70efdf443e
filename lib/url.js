'use strict';

const { typeError } = require('./errors');

const DEFAULT_PORT = 6379;
const SCHEMES = ['redis', 'rediss', 'unix'];
const TEMPLATE = /\$\{\{/;
const WITHOUT_HOST = /^rediss?:(\/\/([^/?#]*@)?(:\d*)?([/?#]|$)|\/(?!\/)|$)/i;

/** Why a URL cannot be meant: deployment tools leave such ones behind. Null when it can. */
function isUnusable(url) {
  if (TEMPLATE.test(url)) return 'holds a template that was not filled in';
  if (WITHOUT_HOST.test(url)) return 'names no host';
  return null;
}

/** `setting` is named in errors; the URL itself may hold a password and is not. */
function parseUrl(url, setting) {
  const invalid = (why) => typeError('E_INVALID_URL', `${setting} is not a valid Redis URL: ${why}`);
  const scheme = /^([a-z]+):\/\//i.exec(url)?.[1].toLowerCase();
  if (!SCHEMES.includes(scheme)) throw invalid('it must begin with redis://, rediss:// or unix://');
  const parts = scheme === 'unix' ? splitUnix(url) : splitTcp(url);
  if (!parts) throw invalid('it cannot be parsed');
  if (!/^\d{0,9}$/.test(parts.db)) throw invalid('the database must be a number');
  if (parts.port === '0') throw invalid('the port must be 1 to 65535');
  try {
    return {
      host: parts.host,
      port: Number(parts.port) || DEFAULT_PORT,
      path: parts.path && decodeURIComponent(parts.path),
      tls: scheme === 'rediss',
      username: decodeURIComponent(parts.username) || undefined,
      password: decodeURIComponent(parts.password) || undefined,
      db: Number(parts.db),
    };
  } catch {
    throw invalid('a part of it is not percent-encoded as it should be');
  }
}

function splitTcp(url) {
  try {
    const { hostname, port, username, password, pathname } = new URL(url);
    return { host: hostname.replace(/^\[|\]$/g, ''), port, username, password, db: pathname.slice(1) };
  } catch {
    return undefined;
  }
}

/** `unix://user:password@/path?db=1`, which is no URL to WHATWG: a user, and no host. */
function splitUnix(url) {
  const match = /^unix:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?(?:localhost)?(\/[^?#]+)(?:\?db=([^&#]*))?$/i.exec(url);
  if (!match) return undefined;
  const [, username = '', password = '', path, db = ''] = match;
  return { host: '', port: '', username, password, path, db };
}

module.exports = { parseUrl, isUnusable };
