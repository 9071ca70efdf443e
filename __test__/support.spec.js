'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { RespClient, deadline, startProxy, startRedis, uniquePrefix, until } = require('./support');

const REDIS_SERVER = path.join(__dirname, '..', 'scripts', 'redis-server.js');

function isListening(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.destroy());
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(true));
  });
}

describe('redis fixture', () => {
  let redis;

  beforeEach(async () => {
    redis = await startRedis();
  });

  afterEach(() => redis.stop());

  test('answers commands with every kind of reply', async () => {
    expect(await redis.command('SET', 'k', Buffer.from([0xff, 0]))).toBe('OK');
    expect(await redis.commandBuffer('GET', 'k')).toEqual(Buffer.from([0xff, 0]));
    expect(await redis.command('GET', 'absent')).toBeNull();
    expect(await redis.command('INCRBY', 'n', 7)).toBe(7);
    const script = "return {1, {'a', {}, false}, redis.error_reply('E x')}";
    expect(await redis.command('EVAL', script, 0)).toEqual([1, ['a', [], null], new Error('E x')]);
    await expect(redis.command('NOSUCH')).rejects.toThrow('ERR unknown command');
  });

  test('decodes a reply of many megabytes', async () => {
    const value = Buffer.alloc(32 << 20, 'x');
    await redis.command('SET', 'big', value);
    const replies = await redis.commandBuffer('MGET', 'big', 'absent', 'big');
    expect(replies.map((reply) => reply && reply.equals(value))).toEqual([true, null, true]);
  });

  test('comes back empty on its port after a kill', async () => {
    await redis.command('SET', 'k', 'v');
    const { port } = redis;
    await redis.kill();
    expect(redis.pid).toBeNull();
    await expect(redis.command('PING')).rejects.toThrow('ECONNREFUSED');
    await redis.restart(['--requirepass', 'secret']);
    expect(redis.port).toBe(port);
    await expect(redis.command('GET', 'k')).rejects.toThrow('NOAUTH');
    await redis.command('AUTH', 'secret');
    expect(await redis.command('GET', 'k')).toBeNull();
  });

  test('can be paused, and stopped while paused', async () => {
    redis.pause();
    const reply = redis.command('PING');
    await expect(deadline(reply, 50, 'PING')).rejects.toThrow('timed out after 50 ms: PING');
    redis.resume();
    expect(await reply).toBe('PONG');
    redis.pause();
    await redis.stop();
    expect(redis.pid).toBeNull();
    expect(fs.existsSync(redis.dir)).toBe(false);
  });

  test('says why it did not start, with a port in use and with bad arguments', async () => {
    await expect(startRedis({ port: redis.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(startRedis({ args: ['--nonsense', '1'] })).rejects.toThrow('nonsense');
  });
});

test('a server dies with the process that started it', async () => {
  const script = `require(${JSON.stringify(REDIS_SERVER)}).startRedis().then((redis) => {
    redis.pause();
    process.stdout.write(JSON.stringify([redis.port, redis.dir]), () => process.kill(process.pid, 'SIGKILL'));
  });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const output = await new Promise((resolve) => child.stdout.once('data', resolve));
  const [port, dir] = JSON.parse(output);
  await until(async () => !(await isListening(port)), { what: 'the server is gone' });
  fs.rmSync(dir, { recursive: true });
});

test('until names what it waited for', async () => {
  let polls = 0;
  expect(await until(async () => (polls += 1) > 2 && 'done')).toBe('done');
  const never = until(() => false, { timeoutMs: 20, what: 'the impossible' });
  await expect(never).rejects.toThrow('timed out after 20 ms: the impossible');
  const hung = until(() => new Promise(() => {}), { timeoutMs: 20, what: 'a hung poll' });
  await expect(hung).rejects.toThrow('a hung poll');
});

describe('proxy', () => {
  let redis;
  let proxy;
  let client;
  let prefix;

  beforeAll(async () => {
    redis = await startRedis();
  });

  afterAll(() => redis.stop());

  beforeEach(async () => {
    proxy = await startProxy(redis.port);
    client = new RespClient(proxy.port);
    prefix = uniquePrefix();
    expect(await client.command('PING')).toBe('PONG');
  });

  afterEach(() => {
    client.close();
    proxy.close();
  });

  const isHeld = (reply) => expect(deadline(reply, 50, 'held')).rejects.toThrow('timed out');

  test('counts connections', async () => {
    const second = new RespClient(proxy.port);
    await second.command('PING');
    expect([proxy.connections, proxy.accepted]).toEqual([2, 2]);
    second.close();
    await until(() => proxy.connections === 1, { what: 'one connection left' });
    expect(proxy.accepted).toBe(2);
  });

  test('cuts with a reset', async () => {
    const reply = client.command('BLPOP', prefix, 0);
    proxy.cut();
    await expect(reply).rejects.toMatchObject({ code: 'ECONNRESET' });
    await until(() => proxy.connections === 0, { what: 'no connection left' });
  });

  test('refuses and accepts on the same port, keeping live connections', async () => {
    proxy.refuse();
    await expect(new RespClient(proxy.port).command('PING')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await client.command('PING')).toBe('PONG');
    await proxy.accept();
    const late = new RespClient(proxy.port);
    expect(await late.command('PING')).toBe('PONG');
    late.close();
  });

  test('stalls old and new connections, then forwards what was held', async () => {
    proxy.stall();
    const late = new RespClient(proxy.port);
    const replies = [client.command('INCR', prefix), late.command('INCR', prefix)];
    await isHeld(Promise.race(replies));
    expect(await redis.command('GET', prefix)).toBeNull();
    proxy.flow();
    expect((await Promise.all(replies)).sort()).toEqual([1, 2]);
    late.close();
  });

  test('stalls replies only', async () => {
    proxy.stallReplies();
    const reply = client.command('INCR', prefix);
    await until(async () => (await redis.command('GET', prefix)) === '1', { what: 'INCR reached redis' });
    await isHeld(reply);
    proxy.flow();
    expect(await reply).toBe(1);
  });

  test('gives connections of a black hole to nobody', async () => {
    proxy.blackhole();
    const lost = new RespClient(proxy.port);
    const lostReply = lost.command('INCR', prefix);
    await until(() => proxy.accepted === 2, { what: 'the second connection' });
    proxy.flow();
    expect(await client.command('GET', prefix)).toBeNull();
    await isHeld(lostReply);
    lost.close();
    await expect(lostReply).rejects.toThrow('connection closed');
    await until(() => proxy.connections === 1, { what: 'the lost connection ended' });
  });

  test('delays each direction', async () => {
    proxy.delay(40);
    const started = performance.now();
    await client.command('PING');
    expect(performance.now() - started).toBeGreaterThanOrEqual(79);
  });

  test('shows and replaces chunks', async () => {
    const seen = [];
    proxy.onRequest((chunk) => seen.push(chunk.toString()) && chunk.toString().replace('PING', 'ECHO'));
    expect(await client.command('PING', 'hi')).toBe('hi');
    expect(seen).toEqual(['*2\r\n$4\r\nPING\r\n$2\r\nhi\r\n']);
    proxy.onReply(() => '-ERR lie\r\n');
    await expect(client.command('PING', 'hi')).rejects.toThrow('ERR lie');
    proxy.onReply(() => null);
    await isHeld(client.command('PING', 'hi').catch(() => {}));
  });

  test('passes large values through a stall, with back-pressure', async () => {
    const value = Buffer.alloc(16 << 20, 'y');
    let arrived = 0;
    proxy.onRequest((chunk) => {
      arrived += chunk.length;
    });
    proxy.stall();
    const reply = client.command('SET', prefix, value);
    await isHeld(reply);
    expect(arrived).toBeLessThan(4 << 20);
    proxy.flow();
    expect(await reply).toBe('OK');
    expect((await client.commandBuffer('GET', prefix)).equals(value)).toBe(true);
  });

  test('passes the end of either side on', async () => {
    const connections = async () => (await redis.command('CLIENT', 'LIST')).trim().split('\n').length;
    await client.command('CLIENT', 'KILL', 'SKIPME', 'no', 'TYPE', 'normal');
    await until(() => client.closed, { what: 'the client saw the end' });
    const raw = net.connect(proxy.port, '127.0.0.1');
    await until(async () => (await connections()) === 2, { what: 'a second connection at redis' });
    raw.resetAndDestroy();
    await until(async () => (await connections()) === 1, { what: 'its reset reached redis' });
  });

  test('resets the client when the target is down', async () => {
    const orphan = await startProxy(1);
    await expect(new RespClient(orphan.port).command('PING')).rejects.toThrow(/ECONNRESET|closed/);
    orphan.close();
  });
});
