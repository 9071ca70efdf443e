'use strict';

// Socket.IO servers in processes of their own, while Redis goes and comes. Each has to end well:
// a rejection that nobody handled would have ended it.

const { deadline, freePort, startRedis, until } = require('../support');
const { startRemote } = require('../support/remote');

const CLIENTS = 500;
const RECOVERY_MS = 3000;
const ENABLED = '✅ Socket.io Redis adapter enabled';

const FORMS = [
  ['classic', { kind: 'helper', sharded: false }],
  ['sharded', { kind: 'helper', sharded: true }],
  ['classic on handles', { kind: 'pair', sharded: false }],
  ['sharded on handles', { kind: 'pair', sharded: true }],
];
const HELPERS = FORMS.slice(0, 2);

const ends = [];

afterEach(async () => {
  const outcomes = [];
  for (const end of ends.splice(0).reverse()) outcomes.push(...(await Promise.allSettled([end()])));
  expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
}, 60_000);

async function redisOn(port) {
  const redis = await startRedis({ port });
  ends.push(() => redis.stop());
  return redis;
}

async function startNode(port, settings) {
  const node = await startRemote('socketio-node.js', { url: `redis://127.0.0.1:${port}`, name: 'node', ...settings });
  node.port = await node.run(({ port: own }) => own);
  ends.push(() => node.stop());
  return node;
}

async function startClients(nodes, count) {
  const clients = await startRemote('socketio-clients.js', { ports: nodes.map(({ port }) => port), count });
  ends.push(() => clients.stop());
  return clients;
}

const emit = (node, what) => node.run(({ io }, text) => io.emit('news', text), what);
const serverCount = (node) => node.run(({ io }) => io.of('/').adapter.serverCount());
const fetched = (node) => node.run(async ({ io }) => (await io.fetchSockets()).length);
const counts = async (nodes) => Promise.all(nodes.map(serverCount));
/** Servers carry out what is asked of all of them when it comes, also what they ask of themselves. */
const isInRoom = (node, room, count) =>
  until(async () => (await node.run(async ({ io }, name) => (await io.in(name).fetchSockets()).length, room)) === count, {
    what: `${count} sockets in room ${room}`,
  });
const status = (node) => node.run(({ backplane }) => backplane.getClient().status);

const isCounted = (nodes, count) =>
  until(async () => (await counts(nodes)).every((each) => each === count), { what: `${count} servers are counted` });

const isAway = (nodes) =>
  until(async () => (await Promise.all(nodes.map(status))).every((each) => each === 'reconnecting'), { what: 'Redis is away' });

/** How many clients of each node heard this. */
async function heardBy(clients, nodes, what) {
  const heard = await clients.run((offered) => offered.heard);
  return nodes.map(({ port }) => heard[port][what] ?? 0);
}

const isHeard = (clients, nodes, what, expected) =>
  until(async () => (await heardBy(clients, nodes, what)).join() === expected.join(), { what: `${what} is heard by ${expected}` });

/** Broadcasts of each node until one has reached all clients of all; the ms that took. */
async function crossing(clients, nodes, all, round = '') {
  const begun = performance.now();
  const cross = async (node, from) => {
    let last = 0;
    const reached = async () => {
      const known = await clients.run((offered) => offered.heard);
      const isWhole = (i) => nodes.every(({ port }, to) => known[port][`${round}${from}:${i}`] === all[to]);
      if (Array.from({ length: last }, (_, i) => i + 1).some(isWhole)) return true;
      last += 1;
      await emit(node, `${round}${from}:${last}`);
      return false;
    };
    await until(reached, { everyMs: 50, what: `broadcasts of node ${from} cross` });
  };
  await Promise.all(nodes.map(cross));
  return performance.now() - begun;
}

describe.each(FORMS)('%s: Redis killed while 1,000 sockets are connected', (_name, form) => {
  it('nobody is disconnected, each server goes on alone, and all is one again in time', async () => {
    const redis = await redisOn();
    const nodes = [await startNode(redis.port, form), await startNode(redis.port, form)];
    const clients = await startClients(nodes, CLIENTS);
    await isCounted(nodes, 2);
    const all = [CLIENTS, CLIENTS];
    expect(await Promise.all(nodes.map(fetched))).toEqual([2 * CLIENTS, 2 * CLIENTS]);
    await emit(nodes[0], 'before');
    await isHeard(clients, nodes, 'before', all);

    await redis.kill();
    for (const node of nodes) await emit(node, `at once ${nodes.indexOf(node)}`);
    await isHeard(clients, [nodes[0]], 'at once 0', [CLIENTS]);
    await isHeard(clients, [nodes[1]], 'at once 1', [CLIENTS]);
    await isAway(nodes);
    expect(await counts(nodes)).toEqual([1, 1]);
    expect(await Promise.all(nodes.map(fetched))).toEqual([CLIENTS, CLIENTS]);
    for (let i = 0; i < 10; i += 1) await emit(nodes[0], `alone ${i}`);
    await isHeard(clients, nodes, 'alone 9', [CLIENTS, 0]);
    expect(await heardBy(clients, nodes, 'alone 0')).toEqual([CLIENTS, 0]);
    await nodes[1].run(({ io }) => io.socketsJoin('all'));
    await isInRoom(nodes[1], 'all', CLIENTS);
    await nodes[1].run(({ io }) => io.to('all').emit('news', 'to a room'));
    await isHeard(clients, nodes, 'to a room', [0, CLIENTS]);

    await redis.restart();
    expect(await crossing(clients, nodes, all)).toBeLessThan(RECOVERY_MS);
    await isCounted(nodes, 2);
    for (const node of nodes) expect(await fetched(node)).toBe(2 * CLIENTS);
    await nodes[0].run(({ io }) => io.to('all').emit('news', 'to the room again'));
    await isHeard(clients, nodes, 'to the room again', [0, CLIENTS]);
    for (let i = 0; i < 20; i += 1) await emit(nodes[i % 2], `after ${i}`);
    for (let i = 0; i < 20; i += 1) await isHeard(clients, nodes, `after ${i}`, all);

    expect(await clients.run(({ disconnects }) => disconnects)).toEqual([]);
    const expected = form.kind === 'helper' ? 1 : 0;
    for (const node of nodes) {
      const { gaps, lines } = await node.run((offered) => ({ gaps: offered.gaps, lines: offered.log.shown }));
      if (form.kind === 'helper') {
        expect(gaps).toEqual([{ since: expect.any(Number), until: expect.any(Number), reason: expect.any(String), dropped: 0 }]);
      }
      expect(lines.filter((line) => line === ENABLED)).toHaveLength(expected);
    }
  }, 60_000);
});

describe.each(HELPERS)('%s: Redis away at the start', (_name, form) => {
  it('one server alone, then one of several, without a restart', async () => {
    const port = await freePort();
    const nodes = [await startNode(port, form), await startNode(port, form)];
    const clients = await startClients(nodes, 3);
    expect(await counts(nodes)).toEqual([1, 1]);
    expect(await Promise.all(nodes.map(fetched))).toEqual([3, 3]);
    await emit(nodes[0], 'alone');
    await isHeard(clients, nodes, 'alone', [3, 0]);
    await nodes[0].run(({ io }) => io.socketsJoin('early'));
    await isInRoom(nodes[0], 'early', 3);
    expect(await nodes[0].run(({ io }) => io.serverSideEmitWithAck('asked', 1))).toEqual([]);
    const enabled = (node) => node.run(({ log }, line) => log.shown.filter((one) => one === line).length, ENABLED);
    expect(await Promise.all(nodes.map(enabled))).toEqual([0, 0]);

    const redis = await redisOn(port);
    await isCounted(nodes, 2);
    await crossing(clients, nodes, [3, 3]);
    await nodes[1].run(({ io }) => io.to('early').emit('news', 'to the early'));
    await isHeard(clients, nodes, 'to the early', [3, 0]);
    expect(await Promise.all(nodes.map(enabled))).toEqual([1, 1]);

    await redis.kill();
    await isAway(nodes);
    await redis.restart();
    await crossing(clients, nodes, [3, 3], 'again ');
    expect(await Promise.all(nodes.map(enabled))).toEqual([1, 1]);
    expect(await clients.run(({ disconnects }) => disconnects)).toEqual([]);
  });
});

describe.each(FORMS)('%s: Redis stopped', (_name, form) => {
  it('questions are answered for this server, and broadcasts reach its own', async () => {
    const redis = await redisOn();
    const nodes = [await startNode(redis.port, form), await startNode(redis.port, form)];
    const clients = await startClients(nodes, 3);
    await isCounted(nodes, 2);
    redis.pause();
    await emit(nodes[0], 'at once');
    expect(await fetched(nodes[0])).toBe(3);
    expect(await serverCount(nodes[0])).toBe(1);
    await isHeard(clients, nodes, 'at once', [3, 0]);
    redis.resume();
    await isCounted(nodes, 2);
    await crossing(clients, nodes, [3, 3]);
  });
});

describe.each(FORMS)('%s: after the end of the backplane', (_name, form) => {
  const useEverything = ({ io }) => {
    io.emit('news', 1);
    io.to('room').emit('news', 2);
    io.socketsJoin('room');
    io.socketsLeave('room');
    io.serverSideEmit('told', 1);
    io.of('/late').emit('news', 3);
  };

  it.each([
    ['broadcasts', useEverything],
    ['a question to the servers', ({ io }) => io.serverSideEmit('asked', 1, () => {})],
    ['a broadcast to be answered', ({ io }) => io.timeout(100).emit('news', 1, () => {})],
    ['disconnectSockets', ({ io }) => io.disconnectSockets()],
  ])('%s end no process, nor does closing io', async (_what, task) => {
    const { port } = await redisOn();
    const node = await startRemote('socketio-node.js', { url: `redis://127.0.0.1:${port}`, name: 'node', ...form });
    ends.push(() => node.kill());
    await isCounted([node], 1);
    await node.run(({ backplane }) => backplane.close());
    await node.run(task);
    await node.run(() => new Promise((resolve) => setImmediate(resolve)));
    await node.run(({ io }) => io.close());
    await node.ends();
  });

  it('what is under way when it ends, ends no process', async () => {
    const port = await freePort();
    const node = await startRemote('socketio-node.js', { url: `redis://127.0.0.1:${port}`, name: 'node', ...form });
    ends.push(() => node.kill());
    await node.run(useEverything);
    await node.run(({ backplane, io }) => {
      io.emit('news', 1);
      io.of('/later').emit('news', 2);
      const closed = backplane.close();
      io.emit('news', 3);
      return closed;
    });
    await node.run(({ io }) => io.close());
    await node.ends();
  });

  it('io closed first leaves nothing', async () => {
    const { port } = await redisOn();
    const node = await startRemote('socketio-node.js', { url: `redis://127.0.0.1:${port}`, name: 'node', ...form });
    ends.push(() => node.kill());
    await isCounted([node], 1);
    await deadline(node.stop(), 5000, 'the end of the server');
  });
});

describe.each(FORMS)('%s: a room that no channel can be named after', (_name, form) => {
  it.each([
    ['half a surrogate pair', '\ud800'],
    ['more than 64 KiB', 'x'.repeat((64 << 10) + 1)],
  ])('%s hurts nobody', async (_what, room) => {
    const { port } = await redisOn();
    const node = await startNode(port, form);
    const clients = await startClients([node], 1);
    await isCounted([node], 1);
    await node.run(({ io }, name) => io.local.socketsJoin(name), room);
    await node.run(({ io }, name) => io.to(name).emit('news', 'to the room'), room);
    await emit(node, 'to all');
    await isHeard(clients, [node], 'to all', [1]);
    expect(await heardBy(clients, [node], 'to the room')).toEqual([1]);
  });
});
