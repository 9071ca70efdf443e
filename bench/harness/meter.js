'use strict';

const { performance } = require('node:perf_hooks');

// The resources that this process uses from now until the returned function is called.
function startMeter() {
  const started = performance.now();
  const loop = performance.eventLoopUtilization();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return {
      seconds: (performance.now() - started) / 1000,
      activeMicros: performance.eventLoopUtilization(loop).active * 1000,
      cpuMicros: user + system,
    };
  };
}

module.exports = { startMeter };
