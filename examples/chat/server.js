'use strict';

// One instance of the chat. `npm run demo` starts two of them and everything that they need; see
// README.md.

const { createBackplane } = require('../..'); // = require('redis-backplane')
const { createChat } = require('./chat');
const { openDatabase } = require('./database/open');
const { DemoLink } = require('./demo-link');
const { listen } = require('../listen');
const { readSettings } = require('./settings');

/** The time after which it ends everything still pending. */
const PATIENCE_MS = 5000;

const demo = process.env.CHAT_DEMO ? new DemoLink() : null;
/** Everything that has been opened; closed in reverse order. */
const closers = [];
let ending = null;

function openBackplane({ keyPrefix }) {
  const backplane = createBackplane({
    keyPrefix,
    presence: { heartbeat: true },
    messageCache: { ttlSeconds: 3600, maxEntries: 10_000 },
  });
  closers.push(() => backplane.close());
  return backplane;
}

async function main() {
  const settings = readSettings();
  const backplane = openBackplane(settings);
  const database = await openDatabase({ url: settings.databaseUrl, demo });
  closers.push(() => database.close());
  const control = process.env.CHAT_DEMO === 'redis' ? (run) => demo.ask('redis', { run }) : null;
  const chat = await createChat({ ...settings, backplane, database, control, others: () => demo?.others ?? [] });
  closers.push(() => chat.close());
  const port = await listen(chat.server, settings);
  if (demo) demo.tell('listening', { port });
  else console.log(`Look at http://localhost:${port}  (Ctrl-C ends it)`);
}

async function closeAll() {
  setTimeout(() => process.exit(1), PATIENCE_MS).unref();
  // Something that is still being opened is closed once it is open.
  await started.catch(() => {});
  for (const close of closers.splice(0).reverse()) await close();
  demo?.close();
}

function end() {
  ending ??= closeAll().catch(fail);
}

function fail(error) {
  console.error(error.message);
  process.exit(1);
}

// Once: a second Ctrl-C ends it immediately, as usual.
process.once('SIGINT', end);
process.once('SIGTERM', end);
demo?.gone.then(end);
// Nobody reads it any more after the demo was killed.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

const started = main();
started.catch((error) => ending ?? fail(error));
