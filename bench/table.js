#!/usr/bin/env node
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { renderMarkdown } = require('./harness/markdown');

const file = process.argv[2] ?? path.join(__dirname, 'results', 'cache.json');
process.stdout.write(renderMarkdown(JSON.parse(fs.readFileSync(file, 'utf8'))));
