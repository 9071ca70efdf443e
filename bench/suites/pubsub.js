'use strict';

const assert = require('node:assert');
const { channelName, openLink } = require('./pubsub/links');
const { measureFlow } = require('./pubsub/measure');
const { SIDES } = require('./pubsub/sides');

// Every record is checked in full, in whole batches.
const CHECKED_MESSAGES = 1024;

const METRICS = [
  { key: 'opsPerSecond', label: 'msgs/s', digits: 0 },
  { key: 'spreadPercent', label: 'msgs/s spread %', digits: 0 },
  { key: 'deliveriesPerSecond', label: 'deliveries/s', digits: 0 },
  { key: 'p50Micros', label: 'p50 µs', digits: 0 },
  { key: 'p99Micros', label: 'p99 µs', digits: 0 },
  { key: 'mainThreadMicros', label: 'main µs/msg', digits: 2 },
  { key: 'publisherMainMicros', label: 'pub. main', digits: 2 },
  { key: 'subscriberMainMicros', label: 'sub. main', digits: 2 },
  { key: 'cpuMicros', label: 'CPU µs/msg', digits: 2 },
  { key: 'publisherCpuMicros', label: 'pub. CPU', digits: 2 },
  { key: 'subscriberCpuMicros', label: 'sub. CPU', digits: 2 },
  { key: 'commandsPerOp', label: 'cmds/msg', digits: 2 },
  { key: 'errors', label: 'errors', digits: 0 },
];

const COMPARISONS = [
  { label: 'messages/s', metric: 'opsPerSecond', better: 'higher', versus: 'best' },
  { label: 'main-thread time', metric: 'mainThreadMicros', better: 'lower', versus: 'best' },
  { label: "publisher's main thread", metric: 'publisherMainMicros', better: 'lower', versus: 'best' },
  { label: "subscriber's main thread", metric: 'subscriberMainMicros', better: 'lower', versus: 'best' },
  { label: 'p50 latency', metric: 'p50Micros', better: 'lower', versus: 'ioredis' },
];

// `batch`: how many messages the subscribers acknowledge at once. `deliveries`: how many
// callbacks, or clients of Socket.IO, get each message. `receivers`: what a publish resolves.
const ONE_PROCESS = { link: 'local', channels: 1, callbacks: 1, deliveries: 1, receivers: 1, batch: 1 };

const WORKLOADS = [
  {
    id: 'one-process',
    title: 'One process, 1 channel, window 1,024',
    ...ONE_PROCESS,
    window: 1024,
    targets: { opsPerSecond: 2, mainThreadMicros: 0.5 },
  },
  {
    id: 'one-process-w1',
    title: 'One process, 1 channel, one message at a time',
    ...ONE_PROCESS,
    window: 1,
  },
  {
    id: 'two-processes',
    title: 'Two processes, 1 channel, window 1,024',
    link: 'remote',
    deliveries: 1,
    receivers: 1,
    window: 1024,
    batch: 64,
    targets: { mainThreadMicros: 0.5 },
  },
  {
    id: 'fan-out',
    title: 'One process, 10 channels of 10 callbacks, window 1,024',
    link: 'local',
    channels: 10,
    callbacks: 10,
    deliveries: 10,
    receivers: 1,
    window: 1024,
    batch: 1,
    targets: { mainThreadMicros: 0.5 },
  },
  {
    id: 'socketio-room',
    title: 'Socket.IO, 2 servers, a room of 20 clients each, window 64',
    link: 'room',
    clients: 20,
    deliveries: 40,
    window: 64,
    batch: 16,
  },
  {
    id: 'socketio-room-1',
    title: 'Socket.IO, 2 servers, a room of 1 client each, window 64',
    link: 'room',
    clients: 1,
    deliveries: 2,
    window: 64,
    batch: 16,
  },
];

const QUICK = ['one-process', 'two-processes', 'fan-out', 'socketio-room'];

function workloads({ quick }) {
  return quick ? WORKLOADS.filter(({ id }) => QUICK.includes(id)) : WORKLOADS;
}

// New processes for each workload: what one needs is opened when it is prepared.
function open(side, url) {
  return { side, url, link: null, close() { return this.link?.close(); } };
}

async function prepare(client, workload) {
  const link = await openLink(client.side, client.url, workload);
  client.link = link;
  const { errors, firstError } = await measureFlow(link, workload, {
    limit: CHECKED_MESSAGES,
    isDeep: true,
  });
  if (errors > 0) throw new Error(`${errors} errors, the first: ${firstError}`);
  return { measure: ({ millis }) => measureFlow(link, workload, { millis }) };
}

// Read by the harness itself: a side that delivers by itself would pass its own check.
async function audit(redis, { link, channels = 1 }, side) {
  if (link === 'room') {
    assert.ok((await redis.pubsub('NUMPAT')) > 0, `${side} has subscribed to no pattern`);
    return;
  }
  for (let index = 0; index < channels; index++) {
    const [, subscribers] = await redis.pubsub('NUMSUB', channelName(side, index));
    assert.strictEqual(Number(subscribers), 1, `${side} has ${subscribers} subscriptions`);
  }
}

module.exports = {
  name: 'pubsub',
  subject: 'redis-backplane',
  sides: Object.keys(SIDES),
  packages: ['redis-backplane', 'ioredis', 'redis', 'socket.io', 'socket.io-client', '@socket.io/redis-adapter'],
  comparisons: COMPARISONS,
  metrics: METRICS,
  workloads,
  seed: () => {},
  open,
  prepare,
  audit,
};
