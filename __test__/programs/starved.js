'use strict';

// A process whose limits are set while it runs. They do not hold for root, so it becomes nobody once all is loaded.

const { createBackplane } = require('../..');
const { serve } = require('../support/remote');

const options = JSON.parse(process.argv[2]);
const lines = [];
const say = (line) => lines.push(line);
const logger = { debug: say, info: say, warn: say, error: say };
const NOBODY = 65534;

if (process.getuid() === 0) {
  process.setgroups([]);
  process.setgid(NOBODY);
  process.setuid(NOBODY);
}

let backplane;

/** The backplane, made when it is first asked for. */
function made() {
  backplane ??= createBackplane({ connectTimeoutMs: 1000, commandTimeoutMs: 500, ...options, logger });
  return backplane;
}

const heard = [];
const gaps = [];

async function listen() {
  const pubSub = made().getPubSub();
  pubSub.on('gap', ({ reason }) => gaps.push(reason));
  return pubSub.subscribe('c', (data) => heard.push(data));
}

serve({ made, heard, gaps, lines, listen, pid: process.pid, stop: () => backplane?.close() });
