'use strict';

const MATCH = 2;
const MISMATCH = -1;
const GAP = -1;

/** How well two texts match: the score of their best local alignment (Smith and Waterman, 1981). */
function alignmentScore(a, b) {
  let above = new Int16Array(b.length + 1);
  let row = new Int16Array(b.length + 1);
  let best = 0;
  for (let i = 0; i < a.length; i += 1) {
    const character = a.charCodeAt(i);
    for (let j = 0; j < b.length; j += 1) {
      const aligned = above[j] + (b.charCodeAt(j) === character ? MATCH : MISMATCH);
      const score = Math.max(0, aligned, above[j + 1] + GAP, row[j] + GAP);
      row[j + 1] = score;
      if (score > best) best = score;
    }
    [above, row] = [row, above];
  }
  return best;
}

/** From 0 to 1: how much of `part` occurs in `whole`, letter by letter. */
function foundIn(whole, part) {
  return alignmentScore(part, whole) / (MATCH * part.length);
}

module.exports = { foundIn };
