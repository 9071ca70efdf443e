'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { freePort } = require('./free-port');
const reaper = require('./reaper');
const { ensureRedisServer } = require('./redis-binary');
const { RespClient } = require('./resp-client');
const { ensureServer } = require('./servers');

const START_DEADLINE_MS = 10_000;
const STOP_DEADLINE_MS = 5_000;
const PROBE_DEADLINE_MS = 1_000;
const POLL_MS = 5;
const PORT_ATTEMPTS = 5;

// A TLS port answers a plain PING by closing the connection.
function answers(port) {
  return new Promise((resolve) => {
    let connected = false;
    const socket = net.connect({ port, host: '127.0.0.1', timeout: PROBE_DEADLINE_MS });
    socket.on('connect', () => {
      connected = true;
      socket.write('PING\r\n');
    });
    socket.on('data', () => socket.destroy());
    socket.on('timeout', () => {
      connected = false;
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(connected));
  });
}

class RedisServer {
  #binary;
  #args;
  #child = null;
  #exited = Promise.resolve();
  #client = null;
  #ownsDir;

  /** Set while the server runs. */
  pid = null;

  constructor(binary, { port, args, dir }) {
    this.#binary = binary;
    this.#ownsDir = dir === undefined;
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.dir = dir ?? fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-'));
    this.logFile = path.join(this.dir, 'redis.log');
    this.#args = typeof args === 'function' ? args({ port, dir: this.dir }) : args;
  }

  get #pidFile() {
    return path.join(this.dir, 'redis.pid');
  }

  async #start(extraArgs) {
    const log = fs.openSync(this.logFile, 'a');
    const logStart = fs.fstatSync(log).size;
    this.#launch(log, extraArgs);
    fs.closeSync(log);
    try {
      await this.#untilReady(logStart);
      this.#adoptPid();
    } catch (error) {
      await this.kill();
      throw error;
    }
    this.#child.unref();
  }

  #launch(log, extraArgs) {
    const own = [
      '--port', this.port, '--bind', '127.0.0.1', '--dir', this.dir, '--pidfile', this.#pidFile,
      '--save', '', '--appendonly', 'no', '--daemonize', 'no',
    ];
    const args = [...this.#binary.args, ...own, ...this.#args, ...extraArgs].map(String);
    const child = spawn(this.#binary.command, args, { cwd: this.dir, stdio: ['ignore', log, log] });
    this.#child = child;
    this.#setPid(child.pid ?? null);
    this.#exited = new Promise((resolve) => {
      child.once('error', resolve);
      child.once('exit', resolve);
    }).then(() => this.#setPid(null));
  }

  #setPid(pid) {
    if (this.pid !== null) reaper.forget(this.pid);
    if (pid !== null) reaper.killWithUs(pid);
    this.pid = pid;
  }

  // In Docker our child is the client; the file has the pid of the server itself.
  #adoptPid() {
    const pid = Number(fs.readFileSync(this.#pidFile, 'utf8'));
    if (this.pid !== null && pid !== this.pid) this.#setPid(pid);
  }

  async #untilReady(logStart) {
    const deadline = Date.now() + START_DEADLINE_MS;
    while (this.pid !== null && Date.now() < deadline) {
      // The log tells our server from another one that took the port first.
      const initialized = this.#log(logStart).includes('Server initialized');
      if (initialized && (await answers(this.port))) return;
      await sleep(POLL_MS);
    }
    throw this.#startError(this.#log(logStart));
  }

  #log(from) {
    return fs.readFileSync(this.logFile).subarray(from).toString();
  }

  #startError(log) {
    const { command } = this.#binary;
    const fate = this.pid === null ? 'ended while starting' : `did not answer within ${START_DEADLINE_MS} ms`;
    const lines = log.trim().split('\n').slice(-5).join('\n');
    const error = new Error(`${command} on port ${this.port} ${fate}:\n${lines}`);
    if (/address already in use/i.test(log)) error.code = 'EADDRINUSE';
    return error;
  }

  static async start(binary, options) {
    const server = new RedisServer(binary, options);
    try {
      await server.#start([]);
    } catch (error) {
      server.#removeDir();
      throw error;
    }
    return server;
  }

  #removeDir() {
    if (this.#ownsDir) fs.rmSync(this.dir, { recursive: true, force: true });
  }

  #signal(signal) {
    if (this.pid === null) return;
    try {
      process.kill(this.pid, signal);
    } catch (error) {
      // Its end may not have been reported to us yet.
      if (error.code !== 'ESRCH') throw error;
    }
  }

  #disconnect() {
    this.#client?.close();
    this.#client = null;
  }

  async #terminate() {
    this.#disconnect();
    this.#child.ref();
    this.#signal('SIGTERM');
    // A paused server handles the SIGTERM only after it continues.
    this.#signal('SIGCONT');
    const impatience = setTimeout(() => this.#signal('SIGKILL'), STOP_DEADLINE_MS);
    await this.#exited;
    clearTimeout(impatience);
  }

  async stop() {
    await this.#terminate();
    this.#removeDir();
  }

  async kill() {
    this.#disconnect();
    this.#child.ref();
    this.#signal('SIGKILL');
    await this.#exited;
  }

  pause() {
    this.#signal('SIGSTOP');
  }

  resume() {
    this.#signal('SIGCONT');
  }

  /** Starts the server again on its port; `extraArgs` hold for this run only. */
  async restart(extraArgs = []) {
    await this.#terminate();
    await this.#start(extraArgs);
  }

  #connection() {
    if (this.#client === null || this.#client.closed) this.#client = new RespClient(this.port);
    return this.#client;
  }

  /** Bulk replies as strings. */
  command(...args) {
    return this.#connection().command(...args);
  }

  /** Bulk replies as Buffers. */
  commandBuffer(...args) {
    return this.#connection().commandBuffer(...args);
  }
}

/**
 * `args` may be a function of `{ port, dir }`. A given `dir` is kept by `stop()`. `server` is one of
 * `SERVERS` (servers.js), or the one that the machine has.
 */
async function startRedis({ port, args = [], dir, server } = {}) {
  const binary = await (server ? ensureServer(server) : ensureRedisServer());
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await RedisServer.start(binary, { port: port ?? (await freePort()), args, dir });
    } catch (error) {
      const retry = port === undefined && error.code === 'EADDRINUSE' && attempt < PORT_ATTEMPTS;
      if (!retry) throw error;
    }
  }
}

module.exports = { ensureRedisServer, freePort, startRedis };
