'use strict';

// TLS as Node takes it, made into what the connections need: certificates and keys are read here, by OpenSSL, and cross
// over as DER. What cannot be used at all is told at once, and not at each attempt to connect.

const fs = require('node:fs');

const check = require('./check');
const { typeError } = require('./errors');
const native = require('./native');
const { text } = require('./server');

/** What is to be set in the place of what other clients have. */
const INSTEAD = {
  rejectUnauthorized: 'the server is always verified; give its certificate, or that of its CA, as tls.ca',
  checkServerIdentity: 'the name in the certificate is always compared; give it as tls.servername',
};
const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const BEGINNING = /-----BEGIN/g;
/** As the fields of an environment or of YAML have it: `\n` in two letters. */
const ESCAPED_NEWLINE = /\\r?\\n|\\n/g;
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];
const RSA_BITS = [2048, 8192];
/** Who may show a certificate as a server's: one that says nothing of it, or says it, or says anything. */
const SERVER_PURPOSES = ['1.3.6.1.5.5.7.3.1', '2.5.29.37.0'];

/**
 * `tls` may turn TLS on by itself (`true` or an object); `rediss://` always does. `isOn`: it is; `hosts`: where the server
 * may be. Answers undefined for none.
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

/** Beside a Unix socket, which has none. Whoever asks for TLS must not get a connection without it. */
function noTls(option) {
  if (option === undefined || option === null || option === false) return undefined;
  throw invalid('tls does not go with a unix:// URL: a Unix socket has none');
}

function defaults(hosts, env, logger) {
  return { ...trusted(undefined, hosts, env, logger) };
}

/** Whom to trust: the given authorities and nobody else, or Mozilla's and those of NODE_EXTRA_CA_CERTS. */
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

/** As Node does; what cannot be read there is no reason to go without the others. */
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

/** Whom the server may want to know: a chain, and the key of its first. */
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
  // Loaded late, here and below: most programs have no use for it.
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

/** A certificate of the server's own, exactly that: with the names under which it is one, and when. */
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

/** Whether others may be signed by it. Old ones do not say so; those sign themselves. */
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
