'use strict';

// One Socket.IO server of several, on the client and with the adapter that it is told.

const { createServer } = require('node:http');
const { createAdapter, createShardedAdapter } = require('@socket.io/redis-adapter');
const { Redis } = require('ioredis');
const { Server } = require('socket.io');
const { createBackplane } = require('../..');
const { quietLogger } = require('../support/log');
const { serve } = require('../support/remote');

const { kind, name, url, keyPrefix, sharded = false, options = {} } = JSON.parse(process.argv[2]);
const log = quietLogger();
const gaps = [];
/** What other servers emitted to this one. */
const told = [];
let backplane;
let closeClients;

function adapterOf(publisher, subscriber) {
  return sharded ? createShardedAdapter(publisher, subscriber, options) : createAdapter(publisher, subscriber, options);
}

const ADAPTERS = {
  helper: () => backplane.socketIoAdapter({ sharded, ...options }),
  pair() {
    const client = backplane.getClient();
    return adapterOf(client, client.duplicate());
  },
  ioredis() {
    const publisher = new Redis(url);
    const subscriber = publisher.duplicate();
    closeClients = () => Promise.all([publisher.quit(), subscriber.quit()]);
    return adapterOf(publisher, subscriber);
  },
};

if (kind !== 'ioredis') {
  backplane = createBackplane({ url, keyPrefix, logger: log });
  closeClients = () => backplane.close();
}

const http = createServer();
const io = new Server(http, { adapter: ADAPTERS[kind](), transports: ['websocket'], serveClient: false });
backplane?.getClient().on('gap', (gap) => gaps.push(gap));

function admit(socket) {
  socket.data = { name: socket.handshake.auth.name };
  socket.join(socket.handshake.auth.rooms ?? []);
}

for (const namespace of [io, io.of('/second')]) {
  namespace.on('connection', admit);
  namespace.on('told', (...args) => told.push(args));
  namespace.on('asked', (question, answer) => answer({ by: name, question }));
}

async function stop() {
  await io.close();
  await closeClients();
}

// A process whose parent is gone has nothing to do.
process.once('disconnect', () => {
  if (http.listening) stop();
});

http.listen(0, '127.0.0.1', () => {
  serve({ backplane, gaps, http, io, log, name, port: http.address().port, stop, told });
});
