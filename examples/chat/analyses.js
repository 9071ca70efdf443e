'use strict';

const { AnalysisThread } = require('./analysis/thread');
const { channelOf } = require('./visit');

/**
 * Above this number the oldest requests are dropped; they are requested again when somebody reads
 * them.
 */
const MOST_WAITING = 200;
/** Several times the duration of one analysis. A killed instance blocks nobody for longer. */
const LOCK_SECONDS = 10;

/**
 * The analysis of a message takes a while. So the first instance that gets to it runs it once,
 * stores the result in the message cache for all instances, and sends it to the room.
 */
function createAnalyses({ backplane, io, instance, isOn }) {
  const { messageCache, acquireLock, releaseLock } = backplane;
  const thread = new AnalysisThread();
  /** By id, in the order of the requests. */
  const waiting = new Map();
  let isWorking = false;
  let isClosed = false;
  let done = 0;

  const hashOf = ({ text, userId, roomId }) => messageCache.generateHash(text, userId, roomId);

  function tell(to, { id, roomId }, analysis) {
    // It was edited meanwhile.
    if (waiting.has(id)) return;
    to.to(channelOf(roomId)).emit('analysis', { messageId: id, analysis });
  }

  async function find(message, hash) {
    const analysis = { ...(await thread.analyse(message.text)), instance };
    await messageCache.set(hash, analysis);
    done += 1;
    tell(io, message, analysis);
  }

  async function findOnce(message) {
    const hash = hashOf(message);
    const key = `analysis:${message.id}:${hash}`;
    // Another instance is working on it and will report it.
    if (!(await acquireLock(key, LOCK_SECONDS))) return;
    try {
      const analysis = await messageCache.get(hash);
      if (analysis === null) await find(message, hash);
      // Found since it was requested: here it may have been reported before anybody knew the
      // message.
      else tell(io.local, message, analysis);
    } finally {
      await releaseLock(key);
    }
  }

  async function work() {
    isWorking = true;
    while (waiting.size > 0) {
      // The newest first, because people look at those.
      const [id, message] = [...waiting].at(-1);
      waiting.delete(id);
      await findOnce(message).catch((error) => isClosed || console.error(error));
    }
    isWorking = false;
  }

  function begin(message) {
    if (!isOn || isClosed || message.analysis !== null) return;
    waiting.delete(message.id);
    waiting.set(message.id, message);
    if (waiting.size > MOST_WAITING) waiting.delete(waiting.keys().next().value);
    if (!isWorking) work();
  }

  /** The message with its analysis, or with `null`. */
  async function attachOne(message) {
    return isOn ? { ...message, analysis: await messageCache.get(hashOf(message)) } : message;
  }

  /** Missing ones are reported when they are found. */
  async function attach(messages) {
    const attached = await Promise.all(messages.map(attachOne));
    attached.forEach(begin);
    return attached;
  }

  function close() {
    isClosed = true;
    waiting.clear();
    return thread.close();
  }

  const counts = () => ({ chat_analyses_total: done, chat_analyses_waiting: waiting.size + Number(isWorking) });

  return { attach, attachOne, begin, close, counts };
}

module.exports = { createAnalyses };
