'use strict';

/** By the machine's monotonic clock: the same for all processes. */
function nowMicros() {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1e6 + nanos / 1e3;
}

module.exports = { nowMicros };
