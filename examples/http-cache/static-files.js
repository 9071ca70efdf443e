'use strict';

const fs = require('node:fs');
const path = require('node:path');

const PAGES = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/live.js': ['live.js', 'text/javascript; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
};

function read([name, type]) {
  return { type, body: fs.readFileSync(path.join(__dirname, 'public', name)) };
}

/** By path in the URL; a path that is not listed reaches no file. */
const files = new Map(Object.entries(PAGES).map(([url, file]) => [url, read(file)]));

module.exports = { files };
