'use strict';

// Three Socket.IO servers in processes of their own, with real clients on each.

const { startRedis, uniquePrefix, until } = require('./support');
const { Cluster } = require('./support/socketio');

const CLASSIC = { sharded: false };
const SHARDED = { sharded: true };

const KINDS = [
  ['socketIoAdapter()', ['helper', 'helper', 'helper'], CLASSIC],
  ['createAdapter() on our handles', ['pair', 'pair', 'pair'], CLASSIC],
  ['socketIoAdapter({ sharded: true })', ['helper', 'helper', 'helper'], SHARDED],
  ['createShardedAdapter() on our handles', ['pair', 'pair', 'pair'], SHARDED],
  ['createAdapter() on ioredis beside ours', ['helper', 'ioredis', 'pair'], CLASSIC],
  ['createShardedAdapter() on ioredis beside ours', ['helper', 'ioredis', 'pair'], SHARDED],
];

/** On each node `a` is in the red room, `b` in the blue one, `c` in both, `s` in another namespace. */
const ROOMS = { a: ['red'], b: ['blue'], c: ['red', 'blue'] };
const ALL = ['a', 'b', 'c'];

const named = (letters) => [0, 1, 2].flatMap((i) => letters.map((letter) => `${i}${letter}`));
const each = (names, ...events) => Object.fromEntries(names.map((name) => [name, events]));
const by = (one, other) => one.by.localeCompare(other.by);

let redis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

describe.each(KINDS)('%s', (_name, kinds, { sharded }) => {
  const [key, keyPrefix] = [uniquePrefix(), kinds.includes('ioredis') ? '' : uniquePrefix()];
  const settings = () => ({ url: redis.url, keyPrefix, sharded, options: sharded ? { channelPrefix: key } : { key } });
  let cluster;

  beforeAll(async () => {
    cluster = new Cluster(settings());
    for (const [i, kind] of kinds.entries()) {
      const node = await cluster.addNode({ kind, name: `node ${i}` });
      for (const [letter, rooms] of Object.entries(ROOMS)) await cluster.listen(node, { name: `${i}${letter}`, rooms });
      await cluster.listen(node, { name: `${i}s`, rooms: ['red'], namespace: '/second' });
    }
    await cluster.isWhole();
    await isHeard('red', 3);
    await isHeard('blue', 3);
  });

  afterAll(() => cluster.end());

  afterEach(() => cluster.taken());

  /** Room by room, sharded servers subscribe to what they have sockets for. */
  async function isHeard(room, count) {
    if (!sharded) return;
    const subscribers = async () => (await redis.command('PUBSUB', 'SHARDNUMSUB', `${keyPrefix}${key}#/#${room}#`))[1];
    await until(async () => (await subscribers()) === count, { what: `${count} servers hear of room ${room}` });
  }

  /** The same is heard whichever node does it. */
  async function expectOfEach(expected, task, ...args) {
    for (const node of cluster.nodes) expect(await cluster.heardOf(node, task, ...args)).toEqual(expected);
  }

  async function inRoom(node, room) {
    const names = await node.run(async ({ io }, name) => (await io.in(name).fetchSockets()).map(({ data }) => data.name), room);
    return names.sort();
  }

  const isInRoom = (node, room, names) =>
    until(async () => (await inRoom(node, room)).join() === names.join(), { what: `${names} in room ${room}` });

  describe('a broadcast', () => {
    it('to all', () => expectOfEach(each(named(ALL), ['news', 1, { deep: [null, 'é😀'] }]), ({ io }) => {
      io.emit('news', 1, { deep: [null, 'é😀'] });
    }));

    it('to a room', () => expectOfEach(each(named(['a', 'c']), ['news']), ({ io }) => io.to('red').emit('news')));

    it('to several rooms reaches each once', () => expectOfEach(each(named(ALL), ['news']), ({ io }) => {
      io.to('red').to('blue').emit('news');
    }));

    it('to all but a room', () => expectOfEach(each(named(['b']), ['news']), ({ io }) => io.except('red').emit('news')));

    it('to a room but another', () => expectOfEach(each(named(['a']), ['news']), ({ io }) => {
      io.to('red').except('blue').emit('news');
    }));

    it('to a room that nobody is in', () => expectOfEach({}, ({ io }) => io.to('empty').emit('news')));

    it('by a socket reaches all others of the room', async () => {
      const others = named(['a', 'c']).filter((name) => name !== '1c');
      expect(await cluster.heardOf(cluster.nodes[1], ({ io }) => {
        const socket = [...io.of('/').sockets.values()].find(({ data }) => data.name === '1c');
        socket.to('red').emit('news');
      })).toEqual(each(others, ['news']));
    });

    it('to one socket, wherever it is', async () => {
      const { id } = cluster.listeners.find(({ name }) => name === '2b').socket;
      await expectOfEach(each(['2b'], ['news', id]), ({ io }, to) => io.to(to).emit('news', to), id);
    });

    it('that is local', async () => {
      for (const [i, node] of cluster.nodes.entries()) {
        const heard = await cluster.heardOf(node, ({ io }) => io.local.emit('news'));
        expect(heard).toEqual(each(ALL.map((letter) => `${i}${letter}`), ['news']));
      }
    });

    it('that is volatile', async () => {
      // One that finds a connection busy may be lost.
      const hearers = new Set();
      const reachedAll = async () => {
        const heard = await cluster.heardOf(cluster.nodes[0], ({ io }) => io.volatile.emit('news'));
        for (const name of Object.keys(heard)) hearers.add(name);
        return hearers.size >= named(ALL).length;
      };
      await until(reachedAll, { what: 'a volatile broadcast reaches all' });
      expect([...hearers].sort()).toEqual(named(ALL));
    });

    it('of bytes', () => {
      const bytes = Buffer.from([0, 0xff, 0x7b, 0xc3, 0x0a]);
      const news = ['news', bytes, { deep: [bytes, Buffer.alloc(0)] }, 'text'];
      return expectOfEach(each(named(ALL), news), ({ io }, args) => io.emit(...args), news);
    });

    it('of megabytes', async () => {
      const bytes = Buffer.alloc(3 << 20, 'é');
      const heard = await cluster.heardOf(cluster.nodes[0], ({ io }, large) => io.to('blue').emit('news', large, large.toString()), bytes);
      expect(Object.keys(heard)).toEqual(named(['b', 'c']));
      const isWhole = ([[event, asBytes, asText]]) => event === 'news' && bytes.equals(asBytes) && asText === bytes.toString();
      expect(Object.values(heard).every(isWhole)).toBe(true);
    });

    it('after the other, in order', () => {
      const numbers = Array.from({ length: 300 }, (_, i) => i);
      return expectOfEach(each(named(ALL), ...numbers.map((i) => ['news', i])), ({ io }, list) => {
        for (const i of list) io.emit('news', i);
      }, numbers);
    });

    it('in another namespace', async () => {
      await expectOfEach(each(named(['s']), ['news']), ({ io }) => io.of('/second').emit('news'));
      await expectOfEach(each(named(['s']), ['news']), ({ io }) => io.of('/second').to('red').emit('news'));
    });

    it.each(['[a-z]*?', 'é 😀', 'a#b', '7', '\0', '__proto__'])('to the room %j and to no other', async (room) => {
      await Promise.all(cluster.nodes.map((node) => node.run(({ io }, name) => io.local.in('red').socketsJoin(name), room)));
      await isHeard(room, 3);
      await expectOfEach(each(named(['a', 'c']), ['news']), ({ io }, name) => io.to(name).emit('news'), room);
      await Promise.all(cluster.nodes.map((node) => node.run(({ io }, name) => io.local.in('red').socketsLeave(name), room)));
    });
  });

  describe('a broadcast that is answered', () => {
    const ask = ({ io }, room, question, ms) => {
      const target = room === null ? io : io.to(room);
      return target.timeout(ms).emitWithAck('question', question).then(
        (answers) => ({ answers }),
        ({ responses }) => ({ late: true, answers: responses })
      );
    };
    const expectAnswers = async (names, room, question) => {
      for (const node of cluster.nodes) {
        const { late, answers } = await node.run(ask, room, question, 5000);
        expect(late).toBeUndefined();
        expect(answers.sort(by)).toEqual(names.map((name) => ({ by: name, args: [question] })));
      }
    };

    it('by all', () => expectAnswers(named(ALL), null, { what: 'é😀' }));

    it('by a room', () => expectAnswers(named(['b', 'c']), 'blue', 1));

    it('in bytes', () => expectAnswers(named(ALL), null, Buffer.from([0, 0xff, 0x7b])));

    it('by nobody', () => expectAnswers([], 'empty', 1));

    it('by all but one: what was answered in time is there', async () => {
      for (const node of cluster.nodes) {
        const { late, answers } = await node.run(ask, null, 'not 1b', 1000);
        expect(late).toBe(true);
        expect(answers.map((answer) => answer.by).sort()).toEqual(named(ALL).filter((name) => name !== '1b'));
      }
    });
  });

  describe('sockets of all servers', () => {
    it('are fetched, with what they are', async () => {
      for (const node of cluster.nodes) {
        const sockets = await node.run(async ({ io }) => (await io.fetchSockets()).map(({ id, data, rooms, handshake }) => {
          return { id, name: data.name, rooms: [...rooms], asked: handshake.auth.rooms };
        }));
        const expected = cluster.listeners.filter(({ name }) => !name.endsWith('s')).map(({ name, socket: { id } }) => {
          return { id, name, rooms: [id, ...ROOMS[name[1]]], asked: ROOMS[name[1]] };
        });
        expect(sockets.sort((one, other) => one.name.localeCompare(other.name))).toEqual(expected);
      }
    });

    it('are fetched by room, by exception, here only, and in another namespace', async () => {
      const [node] = cluster.nodes;
      expect(await inRoom(node, 'blue')).toEqual(named(['b', 'c']));
      const others = await node.run(async ({ io }) => {
        const targets = [io.except('red'), io.local, io.of('/second')];
        return Promise.all(targets.map(async (target) => (await target.fetchSockets()).map(({ data }) => data.name).sort()));
      });
      expect(others).toEqual([named(['b']), ['0a', '0b', '0c'], named(['s'])]);
    });

    it('join and leave rooms', async () => {
      const [one, , other] = cluster.nodes;
      await one.run(({ io }) => io.in('red').socketsJoin(['green', 'new']));
      await isInRoom(other, 'green', named(['a', 'c']));
      await isInRoom(one, 'new', named(['a', 'c']));
      await isHeard('green', 3);
      await expectOfEach(each(named(['a', 'c']), ['news']), ({ io }) => io.to('green').emit('news'));
      await other.run(({ io }) => io.in('blue').socketsLeave('green'));
      await isInRoom(one, 'green', named(['a']));
      await expectOfEach(each(named(['a']), ['news']), ({ io }) => io.to('green').emit('news'));
      await one.run(({ io }) => io.socketsLeave(['green', 'new']));
      await isInRoom(other, 'green', []);
      await isInRoom(other, 'new', []);
      await expectOfEach({}, ({ io }) => io.to('green').emit('news'));
    });

    it('are disconnected', async () => {
      const join = (node, i) => cluster.listen(node, { name: `${i}doomed`, rooms: ['doomed'] });
      const doomed = await Promise.all(cluster.nodes.map(join));
      await cluster.nodes[2].run(({ io }) => io.in('doomed').disconnectSockets(true));
      const reasons = await Promise.all(doomed.map(({ disconnected }) => disconnected));
      expect(reasons).toEqual(doomed.map(() => 'io server disconnect'));
      for (const listener of doomed) cluster.leave(listener);
      await isInRoom(cluster.nodes[0], 'doomed', []);
      expect(cluster.listeners.every(({ socket }) => socket.connected)).toBe(true);
    });
  });

  describe('the servers', () => {
    it('are told by one of them', async () => {
      for (const node of cluster.nodes) await node.run(({ io, name }) => io.serverSideEmit('told', name, { deep: ['é'] }));
      for (const [i, node] of cluster.nodes.entries()) {
        const others = [0, 1, 2].filter((other) => other !== i).map((other) => [`node ${other}`, { deep: ['é'] }]);
        await until(() => node.run(({ told }) => told.length >= 2), { what: 'the others have told' });
        expect((await node.run(({ told }) => told.splice(0))).sort()).toEqual(others);
      }
    });

    it('answer one of them', async () => {
      for (const [i, node] of cluster.nodes.entries()) {
        const answers = await node.run(({ io }) => io.serverSideEmitWithAck('asked', 'what'));
        const others = [0, 1, 2].filter((other) => other !== i);
        expect(answers.sort(by)).toEqual(others.map((other) => ({ by: `node ${other}`, question: 'what' })));
      }
    });

    it('count one that comes late, and no longer when it was killed', async () => {
      const late = await cluster.addNode({ kind: 'pair', name: 'late' });
      await cluster.isWhole(4);
      await cluster.listen(late, { name: '3a', rooms: ['red'] });
      await isHeard('red', 4);
      await expectOfEach(each([...named(['a', 'c']), '3a'], ['news']), ({ io }) => io.to('red').emit('news'));
      expect(await inRoom(cluster.nodes[0], 'red')).toEqual([...named(['a', 'c']), '3a']);
      const [listener] = cluster.listeners.slice(-1);
      cluster.nodes.pop();
      await late.kill();
      await listener.disconnected;
      cluster.leave(listener);
      await cluster.isWhole(3);
    });
  });
});
