'use strict';

const SHORTEST = 4;
const LONGEST = 9;
const LONGEST_SPEECH = 160;
/** Speeches between two threads. */
const PAUSE = 12;

/** How many speeches from `start` on are a quick exchange between two people. */
function exchangeAt(speeches, start) {
  const { scene, speaker } = speeches[start];
  const other = speeches[start + 1]?.speaker;
  if (other === speaker) return 0;
  let length = 0;
  while (length < LONGEST) {
    const speech = speeches[start + length];
    const isNext = speech?.scene === scene && speech.speaker === (length % 2 === 0 ? speaker : other);
    if (!isNext || speech.text.length > LONGEST_SPEECH) break;
    length += 1;
  }
  return length;
}

/**
 * Users who discuss several topics in a room answer in threads: some of the quick exchanges become
 * one. For each speech, the index of the speech that it replies to, or `null`.
 */
function threadsOf(speeches) {
  const parents = speeches.map(() => null);
  let i = 0;
  while (i < speeches.length) {
    const length = exchangeAt(speeches, i);
    if (length >= SHORTEST) {
      parents.fill(i, i + 1, i + length);
      i += length + PAUSE;
    } else {
      i += 1;
    }
  }
  return parents;
}

module.exports = { threadsOf };
