'use strict';

// Examples in the documents are programs, and comments of types stand before what they describe.

const fs = require('node:fs');
const path = require('node:path');
const { Linter } = require('eslint');

const ROOT = path.join(__dirname, '..');
const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', ...fs.readdirSync(path.join(ROOT, 'docs')).map((file) => `docs/${file}`)].filter((file) => file.endsWith('.md'));
const TYPES = fs.readdirSync(ROOT).filter((file) => file.endsWith('.d.ts') && file !== 'binding.d.ts');
const RULES = { 'no-use-before-define': 'error', 'no-const-assign': 'error', 'no-redeclare': 'error', 'no-dupe-keys': 'error' };

/** `[where, text]` of each example. */
function examplesOf(file) {
  const text = fs.readFileSync(path.join(ROOT, file), 'utf8');
  return [...text.matchAll(/^```(?:js|javascript)\n([\s\S]*?)^```/gm)].map((match) => {
    const line = text.slice(0, match.index).split('\n').length;
    return [`${file}:${line}`, match[1]];
  });
}

test.each(DOCUMENTS.flatMap(examplesOf))('the example at %s can be run', (_where, text) => {
  // What it awaits, it awaits in a function.
  const program = text.includes('import ') ? text : `(async () => {${text}});`;
  const config = { languageOptions: { ecmaVersion: 'latest', sourceType: 'module' }, rules: RULES };
  const complaints = new Linter().verify(program, config).map(({ line, message }) => `${line}: ${message}`);
  expect(complaints).toEqual([]);
});

test.each(TYPES)('each comment of %s stands before what it describes', (file) => {
  const text = fs.readFileSync(path.join(ROOT, file), 'utf8');
  // But for the first, which describes the file.
  const stray = [...text.slice(text.indexOf('*/') + 1).matchAll(/\*\/\s*\/\*\*[^\n]*/g)].map(({ 0: found }) => found.trim());
  expect(stray).toEqual([]);
});
