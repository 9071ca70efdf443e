'use strict';

const fs = require('node:fs');
const path = require('node:path');

const FOLDER = path.join(__dirname, '..', 'suites');

function suiteNames() {
  return fs
    .readdirSync(FOLDER)
    .filter((name) => name.endsWith('.js'))
    .map((name) => path.basename(name, '.js'));
}

function loadSuite(name) {
  return require(path.join(FOLDER, name));
}

module.exports = { suiteNames, loadSuite };
