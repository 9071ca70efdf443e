'use strict';

// Subscribes, blocks its own JavaScript while another process floods the channel, and counts
// what comes of it, and what it cost.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const readline = require('node:readline');
const { createBackplane } = require('../..');

const { url, port, blockedMs, floodMs, bytes, pubsub } = JSON.parse(process.argv[2]);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const CHANNEL = 'flood';
const SAMPLE_EVERY_MS = 20;

/** Another process, and what it prints, line by line. */
function startFlooder() {
  const args = [path.join(__dirname, 'flooder.js'), JSON.stringify({ port, channel: CHANNEL, bytes, forMs: floodMs })];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const said = async () => JSON.parse((await lines.next()).value);
  return { child, said };
}

/** Answers the most memory that this process had meanwhile. */
function block() {
  const until = performance.now() + blockedMs;
  let most = 0;
  for (let sampleAt = 0; performance.now() < until;) {
    if (performance.now() < sampleAt) continue;
    most = Math.max(most, process.memoryUsage.rss());
    sampleAt = performance.now() + SAMPLE_EVERY_MS;
  }
  return most;
}

async function main() {
  const backplane = createBackplane({ url, logger: silent, pubsub });
  const subscriber = backplane.getPubSub();
  const result = { received: 0, dropped: 0, gaps: 0, otherGaps: 0, disorder: 0 };
  let previous = -1;
  let finish;
  const last = new Promise((resolve) => {
    finish = resolve;
  });
  await subscriber.subscribe(CHANNEL, (data) => {
    result.received += 1;
    if (data.last) return finish();
    if (!(data.i > previous)) result.disorder += 1;
    previous = data.i;
    return undefined;
  });
  subscriber.on('gap', (gap) => {
    result.gaps += 1;
    result.dropped += gap.dropped;
    if (gap.reason !== 'overflow' || gap.since > gap.until) result.otherGaps += 1;
  });
  const { child, said } = startFlooder();
  await said();
  globalThis.gc();
  const before = process.memoryUsage.rss();
  child.stdin.write('go\n');
  result.blocked = block() - before;
  result.sent = (await said()).sent;
  await last;
  result.afterwards = process.memoryUsage.rss() - before;
  if (child.exitCode === null) await once(child, 'exit');
  await backplane.close();
  return result;
}

main().then((result) => console.log(JSON.stringify(result)));
