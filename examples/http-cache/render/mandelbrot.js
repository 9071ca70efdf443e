'use strict';

// The slow computation that is worth caching: a picture of the Mandelbrot set, as one byte per
// pixel.

const WIDTH = 660;
const HEIGHT = 440;
/** The width of a picture in the complex plane at zoom 1. */
const SPAN = 3.6;
/** Samples per pixel and direction, for smooth edges. */
const SMOOTH = 2;
const BINS = 4096;
const INSIDE = 255;
const FAR_AWAY = 1 << 16;
const SAME = 1e-12;

/** Steps after which a point counts as inside; a higher zoom needs more. */
function limitFor(zoom) {
  return Math.round(200 + 60 * Math.log2(zoom));
}

/** In the two large parts that need not be computed. */
function isInBody(x, y) {
  const right = x - 0.25;
  const q = right * right + y * y;
  return q * (q + right) <= 0.25 * y * y || (x + 1) * (x + 1) + y * y <= 0.0625;
}

/** How long a point takes to escape, including fractions of steps; 0 if it stays inside. */
function escapeTime(cx, cy, limit) {
  if (isInBody(cx, cy)) return 0;
  let x = 0;
  let y = 0;
  let seenX = 0;
  let seenY = 0;
  for (let step = 1, next = 16; step <= limit; step += 1) {
    const xx = x * x;
    const yy = y * y;
    if (xx + yy > FAR_AWAY) return step + 1 - Math.log2(Math.log2(xx + yy) / 2);
    y = 2 * x * y + cy;
    x = xx - yy + cx;
    // A point that returns to where it was never leaves.
    if (Math.abs(x - seenX) + Math.abs(y - seenY) < SAME) return 0;
    if (step === next) {
      seenX = x;
      seenY = y;
      next *= 2;
    }
  }
  return 0;
}

function sample({ x, y, zoom }) {
  const columns = WIDTH * SMOOTH;
  const rows = HEIGHT * SMOOTH;
  const step = SPAN / zoom / columns;
  const limit = limitFor(zoom);
  const times = new Float32Array(columns * rows);
  for (let row = 0, at = 0; row < rows; row += 1) {
    const cy = y + (rows / 2 - row - 0.5) * step;
    for (let column = 0; column < columns; column += 1, at += 1) {
      times[at] = escapeTime(x + (column + 0.5 - columns / 2) * step, cy, limit);
    }
  }
  return { times, limit };
}

/** Gives every color approximately the same number of pixels, for every picture. */
function equalize({ times, limit }) {
  const scale = (BINS - 1) / Math.log(limit + 2);
  const binOf = (time) => Math.floor(Math.log(Math.max(time, 1)) * scale);
  const counts = new Float64Array(BINS);
  for (const time of times) if (time !== 0) counts[binOf(time)] += 1;
  const colors = new Float32Array(BINS);
  const outside = counts.reduce((sum, count) => sum + count, 0);
  let below = 0;
  for (let bin = 0; bin < BINS; bin += 1) {
    colors[bin] = ((below + counts[bin] / 2) / outside) * (INSIDE - 1);
    below += counts[bin];
  }
  return times.map((time) => (time === 0 ? INSIDE : colors[binOf(time)]));
}

function shrink(samples) {
  const columns = WIDTH * SMOOTH;
  const pixels = new Uint8Array(WIDTH * HEIGHT);
  for (let at = 0; at < pixels.length; at += 1) {
    const column = (at % WIDTH) * SMOOTH;
    const row = Math.floor(at / WIDTH) * SMOOTH;
    const first = row * columns + column;
    const below = first + columns;
    const sum = samples[first] + samples[first + 1] + samples[below] + samples[below + 1];
    pixels[at] = Math.round(sum / 4);
  }
  return pixels;
}

function draw(place) {
  return { width: WIDTH, height: HEIGHT, span: SPAN / place.zoom, pixels: shrink(equalize(sample(place))) };
}

module.exports = { draw };
