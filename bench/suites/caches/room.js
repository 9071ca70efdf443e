'use strict';

const { quantile } = require('../../harness/stats');

const RESULTS = 20;

/** Invalidates a room repeatedly, and fills it before each time, which is not timed. */
async function measureRoom({ fillRoom, invalidateRoom }, millis) {
  const latencies = [];
  let errors = 0;
  const deadline = performance.now() + millis;
  while (performance.now() < deadline) {
    await fillRoom('room', RESULTS);
    const begun = performance.now();
    const removed = await invalidateRoom('room');
    latencies.push(performance.now() - begun);
    if (removed !== RESULTS) errors += 1;
  }
  const seconds = latencies.reduce((sum, one) => sum + one, 0) / 1000;
  latencies.sort((a, b) => a - b);
  return {
    ops: latencies.length,
    seconds,
    samples: latencies.length,
    opsPerSecond: latencies.length / seconds,
    p50Micros: quantile(latencies, 0.5) * 1000,
    p99Micros: quantile(latencies, 0.99) * 1000,
    errors,
    firstError: errors > 0 ? 'not all were removed' : null,
  };
}

module.exports = { RESULTS, measureRoom };
