'use strict';

// Which module may use which. Looks at paths: those of `use` declarations, and those in the code.

const fs = require('node:fs');
const { isBuiltin } = require('node:module');
const path = require('node:path');
const { circlesOf } = require('./layering/circles');
const { modulesOf } = require('./layering/rust');

/** A module, and those that it may not use. */
const LAYERS = [
  { of: 'mutex', not: ['binding', 'backplane', 'store', 'io_thread'] },
  { of: 'io_thread', not: ['binding', 'backplane', 'store'] },
  { of: 'store', not: ['binding', 'backplane'] },
  // Which store is on the network, `store::remote` says alone.
  { of: 'backplane', not: ['binding', 'store::redis'] },
];

/** Crates that only one module may use. */
const CRATES = [
  { crates: ['napi', 'napi_derive', 'napi_sys'], only: 'binding' },
  { crates: ['redis', 'combine', 'rustls', 'tokio_rustls'], only: 'store::redis' },
];

/** A module whose parts may not use each other in a circle. */
const WITHOUT_CIRCLES = ['binding'];

/** The JavaScript that a user loads. */
const ENTRIES = ['index.js', 'modules', 'lib'];

const REQUIRE = /\b(?:require|import)\s*\(\s*(?:(['"`])(.*?)\1)?|\bfrom\s*(['"])(.*?)\3/g;

const isIn = (name, module) => name === module || name.startsWith(`${module}::`);

function filesUnder(root, name, extension) {
  const full = path.join(root, name);
  if (!fs.existsSync(full)) return [];
  if (!fs.statSync(full).isDirectory()) return [name];
  const names = fs.readdirSync(full, { recursive: true }).filter((one) => one.endsWith(extension));
  return names.map((one) => path.posix.join(name, one)).sort();
}

function withoutComments(text) {
  const blocksBlanked = text.replace(/\/\*[\s\S]*?\*\//g, (block) => block.replace(/[^\n]/g, ' '));
  // The `//` of a URL is none.
  return blocksBlanked.replace(/(?<!:)\/\/.*/g, '');
}

function lineAt(text, index) {
  return text.slice(0, index).split('\n').length;
}

function rustViolations({ file, name, text, uses }) {
  const found = [];
  for (const { crate, target, index } of uses) {
    const line = lineAt(text, index);
    for (const layer of LAYERS) {
      if (!isIn(name, layer.of) || target === undefined) continue;
      const upper = layer.not.find((one) => isIn(target, one));
      if (upper) found.push({ file, line, says: `${layer.of} may not use ${upper}` });
    }
    for (const { crates, only } of CRATES) {
      if (crates.includes(crate) && !isIn(name, only)) found.push({ file, line, says: `only ${only} may use the crate ${crate}` });
    }
  }
  return found;
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
  const modules = modulesOf(filesUnder(root, 'src', '.rs').map((file) => ({ file, text: read(file) })));
  const scripts = ENTRIES.flatMap((name) => filesUnder(root, name, '.js'));
  const circles = WITHOUT_CIRCLES.flatMap((whole) => circlesOf(modules.filter(({ name }) => isIn(name, whole))));
  return [
    ...modules.flatMap(rustViolations),
    ...circles.map((circle) => ({ file: circle[0].file, line: 1, says: `a circle: ${circle.map(({ name }) => name).join(' → ')}` })),
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
