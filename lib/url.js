'use strict';

const { typeError } = require('./errors');

const DEFAULT_PORT = 6379;
const SCHEMES = ['redis:', 'rediss:', 'unix:'];
const TEMPLATE = /\$\{\{/;
const WITHOUT_HOST = /^rediss?:\/\/([^/?#]*@)?(:\d*)?([/?#]|$)/;

/** Why a URL cannot be meant: deployment tools leave such ones behind. Null when it can. */
function isUnusable(url) {
  if (TEMPLATE.test(url)) return 'holds a template that was not filled in';
  if (WITHOUT_HOST.test(url)) return 'names no host';
  return null;
}

/** `setting` is named in errors; the URL itself may hold a password and is not. */
function parseUrl(url, setting) {
  const invalid = (why) => typeError('E_INVALID_URL', `${setting} is not a valid Redis URL: ${why}`);
  let parsed;
  try {
    parsed = new URL(url);
  } catch {
    throw invalid('it cannot be parsed');
  }
  if (!SCHEMES.includes(parsed.protocol)) throw invalid('it must begin with redis://, rediss:// or unix://');
  const isUnix = parsed.protocol === 'unix:';
  const db = isUnix ? (parsed.searchParams.get('db') ?? '') : parsed.pathname.slice(1);
  if (!/^\d{0,9}$/.test(db)) throw invalid('the database must be a number');
  if (isUnix && parsed.pathname.length < 2) throw invalid('it names no socket');
  try {
    return {
      host: isUnix ? '' : parsed.hostname.replace(/^\[|\]$/g, ''),
      port: parsed.port ? Number(parsed.port) : DEFAULT_PORT,
      path: isUnix ? decodeURIComponent(parsed.pathname) : undefined,
      tls: parsed.protocol === 'rediss:',
      username: decodeURIComponent(parsed.username) || undefined,
      password: decodeURIComponent(parsed.password) || undefined,
      db: Number(db),
    };
  } catch {
    throw invalid('a part of it is not percent-encoded as it should be');
  }
}

module.exports = { parseUrl, isUnusable };
