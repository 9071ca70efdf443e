'use strict';

// Many clients of Socket.IO servers, which count what they hear.

const { io: connect } = require('socket.io-client');
const { serve } = require('../support/remote');

const { ports, count } = JSON.parse(process.argv[2]);
const disconnects = [];
/** How many clients of a server, by its port, heard a message. */
const heard = Object.fromEntries(ports.map((port) => [port, {}]));

function open(port) {
  const socket = connect(`http://127.0.0.1:${port}`, { forceNew: true, reconnection: false, transports: ['websocket'] });
  socket.on('disconnect', (reason) => disconnects.push(reason));
  socket.on('news', (what) => {
    heard[port][what] = (heard[port][what] ?? 0) + 1;
  });
  const connected = new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(socket));
    socket.once('connect_error', reject);
  });
  return connected;
}

async function main() {
  const sockets = [];
  // A few at a time: a server answers them all at once, but not within the time for one.
  for (let i = 0; i < count; i += 1) sockets.push(...(await Promise.all(ports.map(open))));
  serve({ disconnects, heard, stop: () => sockets.forEach((socket) => socket.disconnect()) });
}

main();
