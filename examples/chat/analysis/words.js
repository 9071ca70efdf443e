'use strict';

const WORD = /[\p{L}\p{N}]+(?:['’][\p{L}]+)*/gu;
const SENTENCE_END = /[.!?]+(?=\s|$)/g;
const VOWELS = /[aeiouy]+/g;

function wordsOf(text) {
  return text.toLowerCase().replaceAll('’', "'").match(WORD) ?? [];
}

/** Accurate enough for English, and for a number without decimals. */
function syllablesOf(word) {
  const groups = word.replace(/e$/, '').match(VOWELS)?.length ?? 0;
  return Math.max(1, groups);
}

/** Flesch's reading ease (1948): 100 is easy, 0 is hard. */
function readingEase(text, words) {
  const sentences = Math.max(1, text.match(SENTENCE_END)?.length ?? 0);
  const syllables = words.reduce((sum, word) => sum + syllablesOf(word), 0);
  const ease = 206.835 - 1.015 * (words.length / sentences) - 84.6 * (syllables / words.length);
  return Math.round(Math.min(100, Math.max(0, ease)));
}

module.exports = { readingEase, wordsOf };
