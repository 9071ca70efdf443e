'use strict';

const { failure } = require('./errors');

const PLATFORM = `${process.platform}-${process.arch} (Node ${process.version})`;
/** The loader (binding.js) keeps only the messages of what went wrong. */
const ABSENCE = /^(Cannot find|Unsupported|Failed to load native binding)/;
/** Longer chains of causes are not followed. */
const MOST_CAUSES = 32;
/** Messages of the system, and advice for each. */
const ADVICE = [
  [/DISABLED|ACCESS_DENIED|addons? is disabled/i, 'Node is told to load no addons; start it without --no-addons, or with --allow-addons beside --permission'],
  [/failed to map segment|operation not permitted/i, 'a file system that is mounted noexec does that, and a bound on memory'],
  [/permission denied|EACCES/i, 'this user may not read the file'],
  [/GLIBC|libc\.|ld-linux|ld-musl|ELF/, 'it was built for another C library than this system has; build it here with `npm run build`'],
  [/EMFILE|ENFILE|too many open files/i, 'too many files are open'],
];

/** Loads the addon, or says in one sentence why it cannot. */
function load() {
  try {
    const binding = require('../binding');
    binding.Queue.prepare();
    return binding;
  } catch (cause) {
    const error = explain(cause);
    error.cause = cause;
    throw error;
  }
}

/** There is no addon for this platform, or there is one and the system refused to load it. */
function explain(cause) {
  const refusal = reasonsOf(cause).find((reason) => !ABSENCE.test(reason));
  if (refusal) return failure('E_LOAD', `redis-backplane has an addon for ${PLATFORM}, but it cannot be loaded: ${describe(refusal)}`);
  return failure(
    'E_PLATFORM',
    `redis-backplane has no prebuilt addon for ${PLATFORM}; ` +
      'install Rust from https://rustup.rs and run `npm install && npm run build` in its repository'
  );
}

/** The messages of an error and of its causes. */
function reasonsOf(error) {
  const reasons = [];
  for (let one = error; one && reasons.length < MOST_CAUSES; one = one.cause) reasons.push(String(one.message));
  return reasons;
}

/** On one line, with advice if there is any. */
function describe(reason) {
  const [line] = reason.split('\n');
  const known = ADVICE.find(([words]) => words.test(line));
  return known ? `${line} (${known[1]})` : line;
}

module.exports = load();
