'use strict';

// The topics of a message, its reading ease, and the most similar line of the plays.

const { readPlays } = require('../corpus/read');
const { foundIn } = require('./similarity');
const { readingEase, wordsOf } = require('./words');

const KEYWORDS = 5;
const LONGEST_KEYWORD = 24;
/** How many of the lines that share words with a message are compared letter by letter. */
const CANDIDATES = 250;
/** Letters that are compared. */
const OF_MESSAGE = 120;
const OF_LINE = 320;
/**
 * Long lines share words with everything: how much higher a line of twice the length must score.
 */
const LENGTH_PENALTY = 0.04;
const LONGEST_EXCERPT = 160;

/**
 * The frequency of each word in a text, weighted by how rare it is in the plays (TF-IDF); as shares
 * of 1.
 */
function weigh(words, rarity) {
  const weights = new Map();
  for (const word of words) weights.set(word, (weights.get(word) ?? 0) + rarity(word));
  const sum = [...weights.values()].reduce((total, weight) => total + weight, 0) || 1;
  for (const [word, weight] of weights) weights.set(word, weight / sum);
  return weights;
}

function share(weights, words) {
  let sum = 0;
  for (const [word, weight] of weights) if (words.has(word)) sum += weight;
  return sum;
}

function excerpt(text) {
  if (text.length <= LONGEST_EXCERPT) return text;
  return `${text.slice(0, text.lastIndexOf(' ', LONGEST_EXCERPT))} …`;
}

const lettersOf = (text) => text.toLowerCase().replace(/\s+/g, ' ');

function readLines() {
  return readPlays().flatMap(({ room, speeches }) => speeches.map(({ speaker, text }) => {
    return { play: room.name, speaker, text, letters: lettersOf(text).slice(0, OF_LINE), words: new Set(wordsOf(text)) };
  }));
}

function rarityIn(lines) {
  const containing = new Map();
  for (const { words } of lines) {
    for (const word of words) containing.set(word, (containing.get(word) ?? 0) + 1);
  }
  return (word) => Math.log((1 + lines.length) / (1 + (containing.get(word) ?? 0)));
}

function createAnalyser() {
  const lines = readLines();
  const rarity = rarityIn(lines);

  function keywordsOf(weights) {
    const heaviest = [...weights].filter(([word]) => word.length <= LONGEST_KEYWORD).sort(([, a], [, b]) => b - a);
    return heaviest.slice(0, KEYWORDS).map(([word]) => word);
  }

  /** A line is not compared with itself. */
  function candidatesFor(text, weights) {
    const penalty = ({ words }) => LENGTH_PENALTY * Math.log2(1 + words.size / weights.size);
    const scored = lines.map((line) => ({ line, score: line.text === text ? 0 : share(weights, line.words) }));
    const related = scored.filter(({ score }) => score > 0);
    for (const each of related) each.score -= penalty(each.line);
    return related.sort((a, b) => b.score - a.score).slice(0, CANDIDATES);
  }

  /** By words and letters. `null`: no line shares a word with it. */
  function closest(text, weights) {
    const letters = lettersOf(text).slice(0, OF_MESSAGE);
    const compared = candidatesFor(text, weights).map(({ line, score }) => ({ line, score: (score + foundIn(line.letters, letters)) / 2 }));
    if (compared.length === 0) return null;
    const { line, score } = compared.reduce((best, each) => (each.score > best.score ? each : best));
    const likeness = Math.max(0, Math.round(score * 100) / 100);
    return { play: line.play, speaker: line.speaker, text: excerpt(line.text), likeness };
  }

  return function analyse(text) {
    const words = wordsOf(text);
    const weights = weigh(words, rarity);
    return {
      words: words.length,
      readingEase: words.length > 0 ? readingEase(text, words) : null,
      keywords: keywordsOf(weights),
      closest: closest(text, weights),
    };
  };
}

module.exports = { createAnalyser };
