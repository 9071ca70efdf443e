'use strict';

const { once } = require('node:events');

const ATTEMPTS = 20;
const LAST_PORT = 65_535;

async function listenOn(server, port, host) {
  const listening = once(server, 'listening');
  server.listen(port, host);
  await listening;
  return server.address().port;
}

/** Returns the port: the requested one, or the next free one. */
async function listen(server, { port, host }) {
  const last = Math.min(port + ATTEMPTS - 1, LAST_PORT);
  for (let candidate = port; ; candidate += 1) {
    try {
      return await listenOn(server, candidate, host);
    } catch (error) {
      if (error.code !== 'EADDRINUSE' || candidate >= last) throw error;
    }
  }
}

function portFrom(text = '3000') {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= LAST_PORT) return port;
  throw new RangeError(`PORT must be a whole number from 0 to ${LAST_PORT}`);
}

module.exports = { listen, portFrom };
