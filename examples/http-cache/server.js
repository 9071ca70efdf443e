'use strict';

// A slow computation behind redis-backplane's cache: see README.md.

const { close } = require('../..'); // = require('redis-backplane')
const { createApp } = require('./app');
const { howToStart, logChange, logRequest } = require('./console-log');
const { listen, portFrom } = require('../listen');
const { Live } = require('./live');
const { RedisState } = require('./redis-state');
const { Pool } = require('./render/pool');

/** The time for pending answers when it ends. */
const PATIENCE_MS = 1000;
/** Other computers in the network can connect if HOST allows it. */
const { HOST: host = '127.0.0.1' } = process.env;

async function main() {
  const port = portFrom(process.env.PORT);
  const redis = new RedisState();
  redis.on('change', logChange);
  const live = new Live(redis, howToStart());
  const pool = new Pool();
  const report = (request) => {
    logRequest(request);
    live.report(request);
  };
  const server = createApp({ pool, live, report });

  async function end() {
    console.log('\nClosing.');
    const answered = new Promise((resolve) => server.close(resolve));
    live.close();
    await pool.close();
    const impatience = setTimeout(() => server.closeAllConnections(), PATIENCE_MS);
    await answered;
    clearTimeout(impatience);
    await close();
  }
  // Once: a second Ctrl-C ends it immediately, as usual.
  process.once('SIGINT', end);
  process.once('SIGTERM', end);

  const actual = await listen(server, { port, host });
  console.log(`Look at http://localhost:${actual}  (Ctrl-C ends it)\n`);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
