'use strict';

const { performance } = require('node:perf_hooks');
const { startMeter } = require('./meter');
const { quantile } = require('./stats');

// Prime, so that the sampled operations walk over every key and every place in a batch.
const SAMPLE_STRIDE = 17;

// Closed loop: `concurrency` independent loops, each awaiting its own call.
async function measure(operation, { concurrency, millis }) {
  const run = startRun(operation, concurrency === 1 ? 1 : SAMPLE_STRIDE, millis);
  const stopMeter = startMeter();
  await Promise.all(Array.from({ length: concurrency }, () => drive(run)));
  return summarize(run, stopMeter());
}

function startRun(operation, stride, millis) {
  return {
    operation,
    stride,
    deadline: performance.now() + millis,
    stopped: false,
    next: 0,
    errors: 0,
    firstError: null,
    latencies: [],
  };
}

async function drive(run) {
  const { operation, stride } = run;
  while (!run.stopped) {
    const n = run.next++;
    const sampled = n % stride === 0;
    const started = sampled ? performance.now() : 0;
    try {
      if (!operation.isExpected(await operation.call(n), n)) fail(run, 'unexpected result');
    } catch (error) {
      fail(run, error.message);
    }
    if (sampled) sample(run, started);
  }
}

// The clock is read only at sampled operations, so that reading it costs all sides almost nothing.
function sample(run, started) {
  const now = performance.now();
  run.latencies.push(now - started);
  if (now >= run.deadline) run.stopped = true;
}

function fail(run, reason) {
  run.errors += 1;
  run.firstError ??= reason;
}

function summarize(run, { seconds, activeMicros, cpuMicros }) {
  const ops = run.next - run.errors;
  const latencies = run.latencies.sort((a, b) => a - b);
  return {
    ops,
    seconds,
    samples: latencies.length,
    opsPerSecond: ops / seconds,
    p50Micros: quantile(latencies, 0.5) * 1000,
    p99Micros: quantile(latencies, 0.99) * 1000,
    mainThreadMicros: activeMicros / ops,
    cpuMicros: cpuMicros / ops,
    errors: run.errors,
    firstError: run.firstError,
  };
}

module.exports = { measure };
