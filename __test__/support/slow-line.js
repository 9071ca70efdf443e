'use strict';

const { fork } = require('node:child_process');
const path = require('node:path');

const PROGRAM = path.join(__dirname, '..', 'programs', 'slow-line.js');
const UNBOUNDED = { down: null, up: null };

/**
 * A proxy of bounded bandwidth before a server: bytes per second `down` (answers) and `up` (requests)
 * of each connection; null is unbounded, 0 lets nothing through.
 */
async function startSlowLine(server, bounds) {
  const child = fork(PROGRAM, [JSON.stringify({ port: server.port, ...UNBOUNDED, ...bounds })]);
  const { port } = await new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`the slow line ended with ${code}`)));
  });
  const flow = (changed) => child.send(changed);
  return {
    url: `redis://127.0.0.1:${port}`,
    flow,
    stall: () => flow({ down: 0, up: 0 }),
    close: () =>
      new Promise((resolve) => {
        child.once('exit', resolve);
        child.kill('SIGKILL');
      }),
  };
}

module.exports = { startSlowLine };
