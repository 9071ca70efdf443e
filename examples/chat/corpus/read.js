'use strict';

// The plays in plays.jsonl as rooms: a speaker is a user, a speech is a message. See NOTICE.

const fs = require('node:fs');
const path = require('node:path');
const { threadsOf } = require('./threads');

const FILE = path.join(__dirname, 'plays.jsonl');
const TOPIC = 'by William Shakespeare, acts I and II';
/** The point at which a visitor does not interrupt a play. */
const FOYER = { id: 'foyer', name: 'Foyer', topic: 'Between the acts: whatever comes to mind' };

const IDS_PER_ROOM = 10_000;
/** A speech takes a moment to think of, and time to type its characters. */
const THINKING_MS = 15_000;
const TYPING_MS = 60;
const BETWEEN_SCENES_MS = 2 * 3600 * 1000;
/** The last speech of each play was a few minutes ago. */
const SILENCE_MS = 4 * 60 * 1000;

function readLines() {
  return fs.readFileSync(FILE, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
}

/** `[{ room: { id, name }, speeches: [{ speaker, text, scene }] }]` */
function readPlays() {
  const plays = [];
  let scene = 0;
  for (const line of readLines()) {
    if (line.room) plays.push({ room: { id: line.room, name: line.name }, speeches: [] });
    else if (line.scene) scene += 1;
    else plays.at(-1).speeches.push({ speaker: line[0], text: line[1], scene });
  }
  return plays;
}

/** Counted back from the last speech, as if people had typed them. */
function timesOf(speeches, last) {
  const times = [];
  let at = last;
  for (let i = speeches.length - 1; i >= 0; i -= 1) {
    times[i] = at;
    at -= THINKING_MS + TYPING_MS * speeches[i].text.length;
    if (speeches[i].scene !== speeches[i - 1]?.scene) at -= BETWEEN_SCENES_MS;
  }
  return times;
}

/** A visitor's id has no colon, so nobody can be mistaken for a member of the cast. */
function castId(roomId, speaker) {
  return `${roomId}:${speaker.toLowerCase().replaceAll(' ', '-')}`;
}

function messagesOf({ room, speeches }, position, now) {
  const times = timesOf(speeches, now - SILENCE_MS * (position + 1));
  const parents = threadsOf(speeches);
  const idOf = (index) => position * IDS_PER_ROOM + index + 1;
  return speeches.map(({ speaker, text }, i) => ({
    id: idOf(i),
    room_id: room.id,
    parent_id: parents[i] === null ? null : idOf(parents[i]),
    user_id: castId(room.id, speaker),
    name: speaker,
    text,
    at: times[i],
  }));
}

/** Rows for database/schema.js. */
function readCorpus(now = Date.now()) {
  const plays = readPlays();
  const rooms = [...plays.map(({ room }) => ({ ...room, topic: TOPIC })), FOYER];
  return {
    rooms: rooms.map((room, position) => ({ ...room, position })),
    messages: plays.flatMap((play, position) => messagesOf(play, position, now)),
  };
}

module.exports = { readCorpus, readPlays };
