'use strict';

const { firstOnPath, installPackage } = require('./programs');

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

async function findChromium() {
  const found = process.env.CHROMIUM_BIN || firstOnPath(NAMES) || ((await installPackage('chromium')) && firstOnPath(NAMES));
  if (found) return found;
  throw new Error('No Chromium found: install chromium (or google-chrome) so that it is on the PATH.');
}

let found;

/** Resolves to the path of a Chromium. */
function ensureChromium() {
  found ??= findChromium();
  return found;
}

module.exports = { ensureChromium };
