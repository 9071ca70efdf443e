'use strict';

const { parentPort } = require('node:worker_threads');
const { draw } = require('./mandelbrot');
const palette = require('./palette');
const { encodePng } = require('./png');

parentPort.on('message', (place) => {
  const started = performance.now();
  const picture = draw(place);
  const png = encodePng(picture, palette);
  parentPort.postMessage({
    image: png.toString('base64'),
    span: picture.span,
    computeMs: performance.now() - started,
    computedAt: Date.now(),
  });
});
