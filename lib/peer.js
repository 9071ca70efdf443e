'use strict';

const { createRequire } = require('node:module');
const path = require('node:path');

const { failure } = require('./errors');

/**
 * A package that the user of a function installs: beside this package or, if this one is linked, in
 * the running server. A package that exists but cannot be loaded is not missing.
 */
function loadPeer(name, user) {
  const requireHere = [__filename, path.join(process.cwd(), 'server.js')].map((file) => createRequire(file)).find((load) => has(load, name));
  if (requireHere === undefined) throw failure('E_MISSING_PEER', `${user} needs ${name}: run npm install ${name}`);
  try {
    return requireHere(name);
  } catch (cause) {
    const [reason] = String(cause?.message ?? cause).split('\n');
    const error = failure('E_LOAD', `${name} is installed, but cannot be loaded: ${reason}`);
    error.cause = cause;
    throw error;
  }
}

function has(load, name) {
  try {
    load.resolve(name);
    return true;
  } catch (error) {
    // Any other error appears when it is loaded.
    return error.code !== 'MODULE_NOT_FOUND';
  }
}

module.exports = { loadPeer };
