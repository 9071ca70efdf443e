'use strict';

const { failure } = require('./errors');

/** Loads the addon, or says in one sentence which platform it is missing for. */
function load() {
  try {
    const binding = require('../binding');
    binding.prepare();
    return binding;
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`;
    const error = failure(
      'E_PLATFORM',
      `redis-backplane has no prebuilt addon for ${platform} (Node ${process.version}); ` +
        'install Rust from https://rustup.rs and run `npm install && npm run build` in its repository'
    );
    error.cause = cause;
    throw error;
  }
}

module.exports = load();
