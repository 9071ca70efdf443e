'use strict';

const check = require('./check');
const { typeError } = require('./errors');
const { text } = require('./server');

const FIELDS = ['ca', 'cert', 'key', 'servername'];
/** What is to be set in the place of what other clients have. */
const INSTEAD = {
  rejectUnauthorized: 'the server is always verified; give its certificate, or that of its CA, as tls.ca',
  checkServerIdentity: 'the name in the certificate is always compared; give it as tls.servername',
};

/** `tls` may turn TLS on by itself (`true` or an object); `rediss://` always does. */
function tls(option, isOn) {
  if (option === undefined || option === false) return isOn ? {} : undefined;
  if (option === true) return {};
  const error = check.object(option, 'tls');
  if (error) throw error;
  const settings = {};
  for (const field of FIELDS) {
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

module.exports = { tls, INSTEAD };
