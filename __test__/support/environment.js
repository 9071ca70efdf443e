'use strict';

/** Within the tests of a file: `process.env` holds only those Redis variables that a test sets. */
function useEnvironment() {
  const original = { ...process.env };

  const clear = () => {
    for (const name of Object.keys(process.env)) {
      if (name.startsWith('REDIS')) delete process.env[name];
    }
  };

  beforeEach(clear);
  afterEach(() => {
    clear();
    Object.assign(process.env, original);
  });
  return (variables) => Object.assign(process.env, variables);
}

/** A logger that remembers its lines, each with its level in front. */
function recordingLogger() {
  const lines = [];
  const record = (level) => (line) => lines.push(`${level}: ${line}`);
  return { lines, debug: record('debug'), info: record('info'), warn: record('warn'), error: record('error') };
}

module.exports = { recordingLogger, useEnvironment };
