'use strict';

const { parentPort } = require('node:worker_threads');
const { createAnalyser } = require('./analyse');

const analyse = createAnalyser();

parentPort.on('message', (text) => {
  const begun = performance.now();
  const analysis = analyse(text);
  parentPort.postMessage({ ...analysis, ms: Math.round(performance.now() - begun) });
});
