'use strict';

// Converts Node's TLS options into what the connections need. Certificates and keys are read here,
// by OpenSSL, and passed on as DER. Unusable input is reported at once, not at each connection
// attempt.

const fs = require('node:fs');

const check = require('./check');
const { typeError } = require('./errors');
const native = require('./native');
const { text } = require('./server');

/** What to set instead of the options of other clients. */
const INSTEAD = {
  rejectUnauthorized: 'the server is always verified; give its certificate, or that of its CA, as tls.ca',
  checkServerIdentity: 'the name in the certificate is always compared; give it as tls.servername',
};
const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const BEGINNING = /-----BEGIN/g;
/** As environment variables and YAML files have it: `\n` as two characters. */
const ESCAPED_NEWLINE = /\\r?\\n|\\n/g;
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];
const RSA_BITS = [2048, 8192];
/**
 * Purposes that allow a server certificate: server authentication, or any. A certificate without
 * purposes is allowed, too.
 */
const SERVER_PURPOSES = ['1.3.6.1.5.5.7.3.1', '2.5.29.37.0'];

/**
 * `tls` may enable TLS by itself (`true` or an object); `rediss://` always does. `isOn`: it is
 * enabled; `hosts`: the possible hosts of the server. Returns undefined for no TLS.
 */
function tls(option, { isOn, hosts }, env, logger) {
  if (option === undefined || option === false) return isOn ? defaults(hosts, env, logger) : undefined;
  if (option === true) return defaults(hosts, env, logger);
  const error = check.object(option, 'tls');
  if (error) throw error;
  const servername = text(option, 'servername');
  const names = servername === undefined ? hosts : [servername];
  const settings = { ...trusted(option.ca, names, env, logger), ...identity(option), servername };
  const wrong = native.checkTls(settings);
  if (wrong) throw invalid(wrong);
  return settings;
}

/** A Unix socket has no TLS. Whoever asks for TLS must not get a connection without it. */
function noTls(option) {
  if (option === undefined || option === null || option === false) return undefined;
  throw invalid('tls does not go with a unix:// URL: a Unix socket has none');
}

function defaults(hosts, env, logger) {
  return { ...trusted(undefined, hosts, env, logger) };
}

/**
 * The trusted certificates: the given authorities and no others, or Mozilla's and those of
 * NODE_EXTRA_CA_CERTS.
 */
function trusted(ca, names, env, logger) {
  if (isUnset(ca)) {
    const extra = extraCertificates(env, logger);
    return { roots: extra.filter(isAuthority).map(der), own: extra.flatMap((one) => ownCertificate(one, names)), only: false };
  }
  const parts = Array.isArray(ca) ? ca : [ca];
  if (parts.length === 0) throw invalid('tls.ca must hold a certificate');
  const given = parts.flatMap((part) => certificates(part, 'tls.ca'));
  if (!given.every(canBeChecked)) throw invalid(`tls.ca holds a certificate whose key cannot be checked: only RSA of ${RSA_BITS.join(' to ')} bits, P-256, P-384, P-521 and Ed25519 can`);
  return { roots: given.filter(isAuthority).map(der), own: given.flatMap((one) => ownCertificate(one, names)), only: true };
}

/** As Node does. An unreadable certificate does not exclude the others. */
function extraCertificates(env, logger) {
  const file = env.NODE_EXTRA_CA_CERTS;
  if (!file) return [];
  try {
    const all = certificates(fs.readFileSync(file), 'NODE_EXTRA_CA_CERTS');
    return all.filter(canBeChecked);
  } catch {
    logger.warn('⚠️  redis-backplane ignores NODE_EXTRA_CA_CERTS: no certificates can be read there');
    return [];
  }
}

/** The client's identity for the server: a chain, and the key of its first certificate. */
function identity(option) {
  const [hasCert, hasKey] = [option.cert, option.key].map((value) => !isUnset(value));
  if (hasCert !== hasKey) throw invalid('tls.cert and tls.key go together');
  if (!hasCert) return {};
  const chain = certificates(option.cert, 'tls.cert');
  const key = privateKey(option.key);
  if (!chain[0].checkPrivateKey(key)) throw invalid('tls.key does not belong to tls.cert');
  return { cert: chain.map(der), key: key.export({ type: 'pkcs8', format: 'der' }) };
}

function privateKey(value) {
  // Loaded lazily, here and below: most programs do not need it.
  const { createPrivateKey } = require('node:crypto');
  try {
    return createPrivateKey(pemOf(value, 'tls.key'));
  } catch (error) {
    if (error.code === 'ERR_MISSING_PASSPHRASE') throw invalid('tls.key is encrypted: give it decrypted');
    throw invalid('tls.key is not a PEM private key');
  }
}

function certificates(value, what) {
  const { X509Certificate } = require('node:crypto');
  const pem = pemOf(value, what);
  const found = pem.match(CERTIFICATE) ?? [];
  if (found.length === 0 || found.length !== pem.match(BEGINNING).length) throw invalid(`${what} is not a PEM certificate`);
  try {
    return found.map((one) => new X509Certificate(one));
  } catch {
    throw invalid(`${what} is not a PEM certificate`);
  }
}

function pemOf(value, what) {
  if (typeof value !== 'string' && !(value instanceof Uint8Array) && !Buffer.isBuffer(value)) {
    throw invalid(`${what} must be a string or a Buffer, not ${check.kindOf(value)}`);
  }
  const pem = typeof value === 'string' ? value : Buffer.from(value).toString('latin1');
  return pem.replace(ESCAPED_NEWLINE, '\n');
}

/**
 * The server's own certificate, exactly that one: with the names for which it is valid, and its
 * period.
 */
function ownCertificate(certificate, names) {
  const { checkServerIdentity } = require('node:tls');
  const { keyUsage } = certificate;
  if (keyUsage !== undefined && !keyUsage.some((purpose) => SERVER_PURPOSES.includes(purpose))) return [];
  const legacy = certificate.toLegacyObject();
  const own = names.filter((name) => checkServerIdentity(name, legacy) === undefined);
  if (own.length === 0) return [];
  return [{
    certificate: der(certificate),
    publicKey: certificate.publicKey.export({ type: 'spki', format: 'der' }),
    notBeforeMs: Date.parse(certificate.validFrom),
    notAfterMs: Date.parse(certificate.validTo),
    names: own,
  }];
}

/** Whether it may sign others. Old certificates do not say so; those are self-signed. */
function isAuthority(certificate) {
  return certificate.ca || (certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey));
}

function canBeChecked(certificate) {
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey;
    if (type === 'rsa') return details.modulusLength >= RSA_BITS[0] && details.modulusLength <= RSA_BITS[1];
    return type === 'ed25519' || (type === 'ec' && CURVES.includes(details.namedCurve));
  } catch {
    return false;
  }
}

function der(certificate) {
  return certificate.raw;
}

function isUnset(value) {
  return value === undefined || value === null || value === '';
}

function invalid(message) {
  return typeError('E_INVALID_OPTION', message);
}

module.exports = { noTls, tls, INSTEAD };
