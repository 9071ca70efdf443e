#!/usr/bin/env node
'use strict';

// Draws docs/benchmarks.svg from bench/results: throughput and main-thread time against the best
// peer of each workload, the good and the bad rows.

const fs = require('node:fs');
const path = require('node:path');

const OUTPUT = path.join(__dirname, '..', 'docs', 'benchmarks.svg');
const ROWS = [
  ['cache', 'get-300B-c1', 'GET 300 bytes, one at a time'],
  ['cache', 'get-300B-c64', 'GET 300 bytes, 64 at once'],
  ['cache', 'get-300B-c1024', 'GET 300 bytes, 1024 at once'],
  ['cache', 'set-300B-c1024', 'SET 300 bytes, 1024 at once'],
  ['cache', 'get-10KB-c64', 'GET 10 KB, 64 at once'],
  ['caches', 'memory-c64', 'Hits in memory, 64 at once'],
  ['caches', 'get-or-set-c64', 'getOrSet of what is there, 64 at once'],
  ['limits', 'fixed-c64', 'Rate limits, 64 at once'],
  ['locks', 'pairs-c64', 'Free locks, 64 at once'],
  ['pubsub', 'one-process', 'Publish and receive, one process'],
  ['pubsub', 'two-processes', 'Publish and receive, two processes'],
  ['pubsub', 'socketio-room', 'Socket.IO, a room on two servers'],
];

const WIDTH = 880;
const TOP = 64;
const ROW_HEIGHT = 30;
const BAR_HEIGHT = 14;
const LABELS_END = 268;
/** The start of a panel, the meaning of its right end, and its width. */
const THROUGHPUT = { title: 'throughput, times the best peer', left: 284, width: 300, end: 4, digits: 1 };
const MAIN_THREAD = { title: 'main-thread time, of the best peer', left: 624, width: 180, end: 1, digits: 2 };

const STYLE = `
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .peer { font-size: 11px; fill: #59636e; }
  .bar { fill: #2f6fdb; }
  .even { stroke: #59636e; stroke-dasharray: 3 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .peer { fill: #9198a1; }
    .bar { fill: #6aa3ff; }
    .even { stroke: #9198a1; }
  }
`;

function readRows() {
  return ROWS.map(([suite, id, label]) => {
    const { workloads } = JSON.parse(fs.readFileSync(path.join(__dirname, 'results', `${suite}.json`), 'utf8'));
    const { comparisons } = workloads.find((workload) => workload.id === id);
    const of = (metric) => comparisons.find((comparison) => comparison.metric === metric);
    const throughput = of('opsPerSecond');
    return { label, peer: throughput.peer, throughput: throughput.ratioOfMedians, mainThread: mainThread(of).ratioOfMedians };
  });
}

/** If each side has its own thread, the subscriber's thread counts. */
function mainThread(of) {
  return of('mainThreadMicros') ?? of('subscriberMainMicros');
}

function drawRow({ label, peer, throughput, mainThread: share }, i) {
  const y = TOP + i * ROW_HEIGHT;
  return `
  <text x="${LABELS_END}" y="${y + 12}" text-anchor="end">${label}</text>
  <text class="peer" x="${LABELS_END}" y="${y + 24}" text-anchor="end">${peer}</text>
  ${drawBar(THROUGHPUT, throughput, y)}
  ${drawBar(MAIN_THREAD, share, y)}`;
}

function drawBar({ left, width, end, digits }, value, y) {
  const length = (width * Math.min(value, end)) / end;
  return `<rect class="bar" x="${left}" y="${y + 3}" width="${length.toFixed(1)}" height="${BAR_HEIGHT}" rx="2"/>
  <text x="${(left + length + 6).toFixed(1)}" y="${y + 15}">${value.toFixed(digits)}×</text>`;
}

function drawPanel({ title, left, width, end }, height) {
  const even = left + width / end;
  return `<text class="title" x="${left}" y="28">${title}</text>
  <line class="even" x1="${even}" x2="${even}" y1="${TOP - 16}" y2="${height - 12}"/>
  <text class="peer" x="${even}" y="${TOP - 20}" text-anchor="middle">1×</text>`;
}

function draw(rows) {
  const height = TOP + rows.length * ROW_HEIGHT + 12;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="redis-backplane against the best peer of each workload">
  <style>${STYLE}</style>
  ${drawPanel(THROUGHPUT, height)}
  ${drawPanel(MAIN_THREAD, height)}${rows.map(drawRow).join('')}
</svg>
`;
}

fs.writeFileSync(OUTPUT, draw(readRows()));
