'use strict';

/** From far away to the edge; the inside is black, as the edge almost is. */
const STOPS = [
  [0, [10, 18, 60]],
  [48, [24, 70, 150]],
  [104, [90, 175, 215]],
  [144, [240, 248, 235]],
  [180, [250, 195, 80]],
  [222, [175, 70, 25]],
  [254, [30, 8, 16]],
  [255, [0, 0, 0]],
];

function colorAt(index) {
  const upper = Math.max(1, STOPS.findIndex(([at]) => at >= index));
  const [from, dark] = STOPS[upper - 1];
  const [to, light] = STOPS[upper];
  const share = (index - from) / (to - from);
  return dark.map((channel, at) => Math.round(channel + (light[at] - channel) * share));
}

module.exports = Buffer.from(Array.from({ length: 256 }, (_, index) => colorAt(index)).flat());
