'use strict';

const { createServer } = require('node:http');
const { once } = require('node:events');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { Partner } = require('../../harness/partner');
const { connectBackplane, connectIoredis, connectNodeRedis } = require('./sides');

const PARTNER = path.join(__dirname, 'partner-main.js');
const ROOM = 'bench';
const READY_MILLIS = 10000;

// The classic adapter of each side. All sides share one Redis, so each has channels of its own.
const ADAPTERS = {
  'redis-backplane': async (url, key) => (await connectBackplane(url)).socketIoAdapter({ key }),
  ioredis: async (url, key) => ofPeer(await connectIoredis(url, {}), key),
  'ioredis-autopipeline': async (url, key) =>
    ofPeer(await connectIoredis(url, { enableAutoPipelining: true }), key),
  'node-redis': async (url, key) => ofPeer(await connectNodeRedis(url), key),
};

function ofPeer({ publisher, subscriber }, key) {
  const { createAdapter } = require('@socket.io/redis-adapter');
  return createAdapter(publisher, subscriber, { key });
}

async function openServer(side, url) {
  const { Server } = require('socket.io');
  const http = createServer();
  const io = new Server(http, {
    adapter: await ADAPTERS[side](url, `bench-${side}`),
    transports: ['websocket'],
  });
  io.on('connection', (socket) => socket.join(ROOM));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return { port: http.address().port, io, broadcast: (data) => io.to(ROOM).emit('message', data) };
}

// One server in this process and one in another, with `count` clients each. The clients are in a process of
// their own, so that the servers' time is the servers' alone.
async function openServers(side, url, { count, batch }) {
  const [other, clients] = [new Partner(PARTNER), new Partner(PARTNER)];
  const own = await openServer(side, url);
  const { port } = await other.open('server', { side, url });
  await clients.open('clients', { ports: [own.port, port], count, batch });
  await untilJoined(own.io, 2 * count);
  return { own, other, clients };
}

// Until the servers know each other and every client is in the room.
async function untilJoined(io, count) {
  const deadline = Date.now() + READY_MILLIS;
  for (;;) {
    const { length } = await io.in(ROOM).fetchSockets();
    if (length === count) return;
    if (Date.now() > deadline) throw new Error(`${length} of ${count} sockets are in the room`);
    await sleep(20);
  }
}

// Latency is taken at a client of the last server.
async function openClients(ports, count, receiver) {
  const { io } = require('socket.io-client');
  const sockets = ports.flatMap((port) => Array.from({ length: count }, () => openSocket(io, port)));
  for (const [index, socket] of sockets.entries()) {
    socket.on('message', receiver.lane({ isSampled: index === sockets.length - 1 }));
  }
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
}

function openSocket(io, port) {
  return io(`http://127.0.0.1:${port}`, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
  });
}

module.exports = { ROOM, openServer, openServers, openClients };
