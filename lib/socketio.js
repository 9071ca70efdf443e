'use strict';

const check = require('./check');
const { failure } = require('./errors');
const { loadPeer } = require('./peer');

const PEER = '@socket.io/redis-adapter';

/** The Socket.IO adapter on the connections of a backplane. index.d.ts documents its contract. */
function createSocketIo(core, getClient, createHandle) {
  let isAnnounced = false;

  /** Logs once that the instances are connected, when they are. */
  function announce() {
    const say = () => {
      if (core.state() !== 'ready' || isAnnounced) return;
      isAnnounced = true;
      core.events.off('state', say);
      core.logger.info('✅ Socket.io Redis adapter enabled');
    };
    core.events.on('state', say);
    say();
  }

  return function socketIoAdapter(options = {}) {
    const { error, sharded, rest } = check.read(() => readOptions(options), 'options', check.option);
    if (error) throw error;
    if (typeof sharded !== 'boolean') throw check.option('sharded must be true or false');
    const { createAdapter, createShardedAdapter } = loadPeer(PEER, 'socketIoAdapter');
    const make = sharded ? createShardedAdapter : createAdapter;
    if (typeof make !== 'function') throw failure('E_MISSING_PEER', `socketIoAdapter needs a newer ${PEER}`);
    const client = getClient();
    const [publisher, subscriber] = [createHandle(), createHandle()];
    // The outage is in the log already; the adapter would print its own warning.
    for (const handle of [publisher, subscriber]) handle.on('error', () => {});
    subscriber.on('gap', (gap) => client.missed(gap));
    announce();
    return make(publisher, subscriber, rest);
  };
}

function readOptions(options) {
  const error = Array.isArray(options) ? check.option('options must not be an array') : check.object(options, 'options');
  if (error) return { error };
  const { sharded = false, ...rest } = options;
  return { sharded, rest };
}

module.exports = { createSocketIo };
