'use strict';

const { openObserver } = require('../../harness/observer');
const { startMeter } = require('../../harness/meter');

/**
 * The CPU time that this process and the server use for the sockets that it keeps alive, in percent
 * of one core.
 */
async function measureHeartbeat(url, millis) {
  const observer = await openObserver(url);
  const before = await serverSeconds(observer);
  const stopMeter = startMeter();
  await new Promise((resolve) => setTimeout(resolve, millis));
  const { seconds, activeMicros, cpuMicros } = stopMeter();
  const server = (await serverSeconds(observer)) - before;
  observer.disconnect();
  const percent = (used) => (100 * used) / seconds;
  return {
    seconds,
    mainThreadPercent: percent(activeMicros / 1e6),
    processPercent: percent(cpuMicros / 1e6),
    serverPercent: percent(server),
    errors: 0,
    firstError: null,
  };
}

async function serverSeconds(observer) {
  const info = await observer.info('cpu');
  const seconds = (name) => Number(new RegExp(`^used_cpu_${name}:(\\S+)`, 'm').exec(info)[1]);
  return seconds('user') + seconds('sys');
}

module.exports = { measureHeartbeat };
