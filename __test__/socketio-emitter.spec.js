'use strict';

// @socket.io/redis-emitter, which publishes for the classic adapter only.

const { Emitter } = require('@socket.io/redis-emitter');
const { Redis } = require('ioredis');
const { startRedis, uniquePrefix, until } = require('./support');
const { silent } = require('./support/places');
const { Cluster } = require('./support/socketio');
const { createBackplane } = require('..');

const key = uniquePrefix();
let redis;
let cluster;

beforeAll(async () => {
  redis = await startRedis();
  cluster = new Cluster({ url: redis.url, options: { key } });
  for (const [i, kind] of ['helper', 'ioredis', 'pair'].entries()) {
    const node = await cluster.addNode({ kind, name: `node ${i}` });
    await cluster.listen(node, { name: `${i}a`, rooms: ['red'] });
    await cluster.listen(node, { name: `${i}b`, rooms: ['blue'] });
    await cluster.listen(node, { name: `${i}s`, namespace: '/second' });
  }
  await cluster.isWhole();
});

afterAll(async () => {
  await cluster.end();
  await redis.stop();
});

function onOurs() {
  const backplane = createBackplane({ url: redis.url, logger: silent });
  return { client: backplane.getClient(), close: () => backplane.close() };
}

function onIoredis() {
  const client = new Redis(redis.url);
  return { client, close: () => client.quit() };
}

describe.each([['our handle', onOurs], ['ioredis', onIoredis]])('an emitter on %s', (_name, open) => {
  let opened;
  let emitter;

  beforeAll(() => {
    opened = open();
    emitter = new Emitter(opened.client, { key });
  });

  afterAll(() => opened.close());

  /** `last` goes to everybody, after what is tested. */
  async function expectHeard(letters, args, emit) {
    emit();
    emitter.emit('last');
    emitter.of('/second').emit('last');
    const heard = {};
    const isDone = () => {
      for (const [name, events] of Object.entries(cluster.taken())) (heard[name] ??= []).push(...events);
      return cluster.listeners.every(({ name }) => heard[name]?.some(([event]) => event === 'last'));
    };
    await until(isDone, { what: 'all hear the last' });
    for (const { name } of cluster.listeners) expect(heard[name]).toEqual(letters.includes(name[1]) ? [args, ['last']] : [['last']]);
  }

  it('reaches all', () => expectHeard(['a', 'b'], ['news', 1, 'é'], () => emitter.emit('news', 1, 'é')));
  it('reaches a room', () => expectHeard(['a'], ['news'], () => emitter.to('red').emit('news')));
  it('reaches several rooms', () => expectHeard(['a', 'b'], ['news'], () => emitter.to(['red', 'blue']).emit('news')));
  it('leaves a room out', () => expectHeard(['b'], ['news'], () => emitter.except('red').emit('news')));
  it('reaches a namespace', () => expectHeard(['s'], ['news'], () => emitter.of('/second').emit('news')));

  it('sends bytes', () => {
    const bytes = Buffer.from([0, 0xff, 0x7b]);
    return expectHeard(['a', 'b'], ['news', { deep: bytes }], () => emitter.emit('news', { deep: bytes }));
  });

  it('moves sockets and tells servers', async () => {
    const [node] = cluster.nodes;
    const count = () => node.run(async ({ io }) => (await io.in('green').fetchSockets()).length);
    emitter.in('red').socketsJoin('green');
    await until(async () => (await count()) === 3, { what: 'all have joined' });
    emitter.socketsLeave('green');
    await until(async () => (await count()) === 0, { what: 'all have left' });
    emitter.serverSideEmit('told', 'by the emitter');
    for (const each of cluster.nodes) {
      await until(() => each.run(({ told }) => told.length > 0), { what: 'the servers are told' });
      expect(await each.run(({ told }) => told.splice(0))).toEqual([['by the emitter']]);
    }
  });
});
