'use strict';

const EVERY_MS = 1000;
const CHANNEL = 'stats';

function countCalls({ functions }) {
  return Object.values(functions).reduce((sum, { calls }) => sum + calls, 0);
}

/**
 * The metrics of the backplane, sent once a second to the sockets of this instance that want them.
 */
function createStats({ backplane, io, instance }) {
  let timer = null;
  let before = null;

  /** Since the last time. */
  function callsPerSecond(metrics, at) {
    const calls = countCalls(metrics);
    const rate = before === null ? 0 : ((calls - before.calls) * 1000) / (at - before.at);
    before = { calls, at };
    return Math.round(rate);
  }

  async function tell() {
    const health = await backplane.health();
    const at = Date.now();
    const metrics = backplane.getMetrics();
    const news = { at, instance, metrics, callsPerSecond: callsPerSecond(metrics, at), health };
    io.local.to(CHANNEL).volatile.emit('stats', news);
  }

  function rest() {
    clearInterval(timer);
    timer = null;
    before = null;
  }

  function begin(socket) {
    socket.join(CHANNEL);
    timer ??= setInterval(tell, EVERY_MS);
  }

  function end(socket) {
    socket.leave(CHANNEL);
    if (!io.of('/').adapter.rooms.has(CHANNEL)) rest();
  }

  return { begin, close: rest, end };
}

module.exports = { createStats };
