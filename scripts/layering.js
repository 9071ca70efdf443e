'use strict';

const fs = require('node:fs');
const { isBuiltin } = require('node:module');
const path = require('node:path');

const isIn = (file, module) => file === `${module}.rs` || file.startsWith(`${module}/`);

// `crate::a`, `super::super::a` and `crate::{b, a::c}`.
function modulePath(names) {
  return new RegExp(`\\b(?:crate|super)::(?:super::)*(?:\\{[^;]*?)?\\b(?:${names})\\b`, 'g');
}

const RUST_RULES = [
  {
    says: 'only src/binding may name napi',
    applies: (file) => !isIn(file, 'src/binding') && file !== 'src/lib.rs',
    pattern: /\bnapi(?:_derive)?\b/g,
  },
  {
    says: 'only src/store/redis may name the redis crate',
    applies: (file) => !isIn(file, 'src/store/redis'),
    pattern: /(?<!\w::)\bredis::|\buse\s+(?:::)?redis\b/g,
  },
  {
    says: 'src/store may not name the backplane or the binding',
    applies: (file) => isIn(file, 'src/store'),
    pattern: modulePath('backplane|binding'),
  },
  {
    says: 'src/backplane may not name the binding',
    applies: (file) => isIn(file, 'src/backplane'),
    pattern: modulePath('binding'),
  },
];

const REQUIRE = /\b(?:require|import)\s*\(\s*(?:(['"`])(.*?)\1)?|\bfrom\s*(['"])(.*?)\3/g;

function filesUnder(root, dir, extension) {
  if (!fs.existsSync(path.join(root, dir))) return [];
  const names = fs.readdirSync(path.join(root, dir), { recursive: true });
  const files = names.filter((name) => name.endsWith(extension)).map((name) => path.posix.join(dir, name));
  return files.sort();
}

function withoutComments(text) {
  const blocksBlanked = text.replace(/\/\*[\s\S]*?\*\//g, (block) => block.replace(/[^\n]/g, ' '));
  // Not the `//` of a URL.
  return blocksBlanked.replace(/(?<!:)\/\/.*/g, '');
}

function lineAt(text, index) {
  return text.slice(0, index).split('\n').length;
}

function rustViolations(file, text) {
  return RUST_RULES.filter(({ applies }) => applies(file)).flatMap(({ pattern, says }) =>
    [...text.matchAll(pattern)].map((match) => ({
      file,
      line: lineAt(text, match.index + match[0].length),
      says,
    })));
}

function isAllowed(specifier) {
  return specifier !== undefined && (isBuiltin(specifier) || /^\.{1,2}\//.test(specifier));
}

function javascriptViolations(file, text) {
  const imports = [...text.matchAll(REQUIRE)];
  return imports.filter((match) => !isAllowed(match[2] ?? match[4])).map((match) => ({
    file,
    line: lineAt(text, match.index),
    says: `may require only Node's own modules and relative files, not ${match[2] ?? match[4] ?? 'a computed name'}`,
  }));
}

function violations(root) {
  const read = (file) => withoutComments(fs.readFileSync(path.join(root, file), 'utf8'));
  const entries = ['index.js'].filter((file) => fs.existsSync(path.join(root, file)));
  const scripts = [...entries, ...filesUnder(root, 'modules', '.js'), ...filesUnder(root, 'lib', '.js')];
  const rust = filesUnder(root, 'src', '.rs');
  return [
    ...rust.flatMap((file) => rustViolations(file, read(file))),
    ...scripts.flatMap((file) => javascriptViolations(file, read(file))),
  ];
}

function main() {
  const found = violations(path.join(__dirname, '..'));
  for (const { file, line, says } of found) console.error(`${file}:${line}: ${says}`);
  if (found.length > 0) process.exitCode = 1;
}

if (require.main === module) main();

module.exports = { violations };
