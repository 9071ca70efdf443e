'use strict';

const LEVELS = ['debug', 'info', 'warn', 'error'];
const AWAY = /^⚠️ {2}Redis unavailable\b.*\busing memory\b/;
const READY = '✅ Redis: Connected and ready';

/** A logger that prints nothing and keeps its lines as `{ level, line }`. */
function quietLogger() {
  const lines = [];
  const log = {
    lines,
    /** What a person sees at the usual level. */
    get shown() {
      return lines.filter(({ level }) => level !== 'debug').map(({ line }) => line);
    },
    get text() {
      return lines.map(({ line }) => line).join('\n');
    },
    /** The documented lines that were shown, as `away` and `ready`; any other line as it is. */
    get story() {
      return log.shown.map((line) => (AWAY.test(line) && 'away') || (line === READY && 'ready') || line);
    },
  };
  for (const level of LEVELS) log[level] = (line) => lines.push({ level, line });
  return log;
}

module.exports = { quietLogger };
