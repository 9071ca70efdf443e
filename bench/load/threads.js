'use strict';

const fs = require('node:fs');
const os = require('node:os');

/** The value on Linux, on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

function ticksOf(file) {
  try {
    // The name of a thread may contain spaces and brackets; utime and stime are the 12th and 13th
    // field after it.
    const fields = fs.readFileSync(file, 'utf8').split(') ').at(-1).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return NaN;
  }
}

/** Seconds of CPU time that a process and its main thread have used. */
function cpuOf(pid) {
  return {
    process: ticksOf(`/proc/${pid}/stat`) / TICKS_PER_SECOND,
    mainThread: ticksOf(`/proc/${pid}/task/${pid}/stat`) / TICKS_PER_SECOND,
  };
}

/** Seconds that all cores together have been busy, and could have been busy. */
function machineTime() {
  const times = os.cpus().map(({ times: { idle, ...busy } }) => ({ idle, busy: Object.values(busy).reduce((sum, ms) => sum + ms, 0) }));
  const sum = (name) => times.reduce((total, each) => total + each[name], 0) / 1000;
  return { busy: sum('busy'), all: sum('busy') + sum('idle') };
}

module.exports = { cpuOf, machineTime };
