'use strict';

// What each module of the crate uses, as whole paths from the crate's root.

const USE = /\buse\s+([^;]+);/g;
const INLINE_PATH = /(?<![\w:])((?:\w+::)+\w+)/g;
const INLINE_MODULE = /^([ \t]*)(?:pub(?:\([^)]*\))? )?mod (\w+) \{\n[\s\S]*?^\1\}/gm;

function nameOf(file) {
  const parts = file.replace(/^src\//, '').replace(/\.rs$/, '').split('/');
  if (parts.at(-1) === 'mod' || parts.at(-1) === 'lib') parts.pop();
  return parts.join('::');
}

/** `a::{b, c::{self, d}}` as `a::b`, `a::c`, `a::c::d`. */
function leavesOf(tree) {
  const text = tree.trim().replace(/\s+as\s+\w+$/, '');
  const open = text.indexOf('{');
  if (open < 0) return [text.replace(/\s+/g, '').replace(/::self$/, '')];
  const before = text.slice(0, open).replace(/\s+/g, '');
  return partsOf(text.slice(open + 1, text.lastIndexOf('}'))).flatMap(leavesOf).map((leaf) => (leaf === 'self' ? before.replace(/::$/, '') : before + leaf));
}

/** What stands between the commas that are in no braces. */
function partsOf(list) {
  const parts = [];
  let [depth, start] = [0, 0];
  for (let i = 0; i <= list.length; i++) {
    if (list[i] === '{') depth += 1;
    if (list[i] === '}') depth -= 1;
    if (i === list.length || (list[i] === ',' && depth === 0)) {
      parts.push(list.slice(start, i));
      start = i + 1;
    }
  }
  return parts.filter((part) => part.trim() !== '');
}

/** A path as it stands in a module: `{ target }` in the crate, or `{ crate }` outside. */
function resolve(written, here, names) {
  const segments = written.split('::').filter(Boolean);
  const base = here === '' ? [] : here.split('::');
  if (segments[0] === 'crate') return { target: segments.slice(1).join('::') };
  if (segments[0] === 'self') return { target: [...base, ...segments.slice(1)].join('::') };
  if (segments[0] === 'super') {
    while (segments[0] === 'super') {
      segments.shift();
      base.pop();
    }
    return { target: [...base, ...segments].join('::') };
  }
  const child = [...base, segments[0]].join('::');
  return names.has(child) ? { target: [...base, ...segments].join('::') } : { crate: segments[0] };
}

function usesOf({ text, name }, names) {
  const inner = [...text.matchAll(INLINE_MODULE)].map((match) => ({ from: match.index, to: match.index + match[0].length, inside: match[2] }));
  const here = (index) => [name, ...inner.filter(({ from, to }) => from < index && index < to).map(({ inside }) => inside)].filter(Boolean).join('::');
  const declared = [...text.matchAll(USE)];
  const code = text.replace(USE, (whole) => whole.replace(/[^\n]/g, ' '));
  const paths = [
    ...declared.flatMap((match) => leavesOf(match[1]).map((written) => ({ written, index: match.index }))),
    ...[...code.matchAll(INLINE_PATH)].map((match) => ({ written: match[1], index: match.index })),
  ];
  return paths.map(({ written, index }) => ({ ...resolve(written, here(index), names), index, isTest: here(index).endsWith('tests') }));
}

/** Of files as `{ file, text }`: what they are called, and what they use. */
function modulesOf(files) {
  const modules = files.map((one) => ({ ...one, name: nameOf(one.file) }));
  const names = new Set(modules.map(({ name }) => name));
  return modules.map((one) => ({ ...one, uses: usesOf(one, names) }));
}

module.exports = { modulesOf };
