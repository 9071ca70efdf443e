'use strict';

const net = require('node:net');

// Below the ephemeral ranges of Linux and macOS: while a server is down, no outgoing
// connection can be given its port, and a client retrying it cannot connect to itself.
const FIRST = 15000;
const LAST = 32000;
const ATTEMPTS = 50;

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve(port);
    });
  });
}

async function listenOnFreePort(server) {
  for (let attempt = 1; ; attempt += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    try {
      return await listen(server, port);
    } catch (error) {
      if (error.code !== 'EADDRINUSE' || attempt === ATTEMPTS) throw error;
    }
  }
}

async function freePort() {
  const server = net.createServer();
  const port = await listenOnFreePort(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

module.exports = { freePort, listen, listenOnFreePort };
