'use strict';

// One instance of examples/chat, on redis-backplane or on the modules in usual/.

const { once } = require('node:events');
const { performance } = require('node:perf_hooks');
const { createChat } = require('../../examples/chat/chat');
const { serve } = require('./child');
const { createDatabase } = require('./database');

const { modules, instance, rooms } = JSON.parse(process.argv[2]);
/** The load is about messages: no user is throttled. */
const ENDLESS = { max: 1_000_000, seconds: 1 };

const MODULES = {
  ours: () => require('../..').createBackplane({ keyPrefix: 'load:', presence: { heartbeat: true } }),
  usual: () => require('./usual'),
};

const troubles = { unhandled: 0, uncaught: 0, first: null };
const note = (kind) => (error) => {
  troubles[kind] += 1;
  troubles.first ??= String(error?.stack ?? error);
};
process.on('unhandledRejection', note('unhandled'));
process.on('uncaughtException', note('uncaught'));

const backplane = MODULES[modules]();
let chat;
let loop = performance.eventLoopUtilization();

const orders = {
  async listen() {
    const limits = { user: ENDLESS, room: ENDLESS, search: ENDLESS };
    const database = createDatabase(rooms, instance);
    chat = await createChat({ backplane, database, instance: 'AB'[instance], limits, hasAnalysis: false });
    chat.server.listen(0, '127.0.0.1');
    await once(chat.server, 'listening');
    return chat.server.address().port;
  },

  /** Since the last request. */
  sample() {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, loop);
    loop = now;
    const { rss, heapTotal } = process.memoryUsage();
    return { rss, heapTotal, utilization, isRedisAvailable: backplane.isRedisAvailable(), troubles };
  },

  async end() {
    await chat?.close();
    await backplane.close();
    process.disconnect();
  },
};

serve(orders);
