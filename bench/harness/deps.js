'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const BENCH = path.join(__dirname, '..');
// npm writes this file last, so an install that was cut short is done again.
const INSTALLED = path.join(BENCH, 'node_modules', '.package-lock.json');
const WANTED = path.join(BENCH, 'package-lock.json');

function ensureDependencies() {
  if (isUpToDate()) return;
  const { status, error } = spawnSync('npm', ['ci', '--silent', '--no-audit', '--no-fund'], {
    cwd: BENCH,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`npm ci in bench/ failed with exit code ${status}`);
}

function isUpToDate() {
  return fs.existsSync(INSTALLED) && fs.statSync(INSTALLED).mtimeMs >= fs.statSync(WANTED).mtimeMs;
}

module.exports = { ensureDependencies };
