'use strict';

// Has processes contend for locks, and meanwhile stops some for longer than their leases, kills and
// replaces others, and has Redis drop connections. Prints what was wrong, and how much happened.

const { fork } = require('node:child_process');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const reaper = require('../../scripts/reaper');
const { RespClient } = require('../../scripts/resp-client');
const { CriticalSections, now } = require('../support/critical-sections');
const { dice } = require('../support/random');
const { connectionsOf } = require('../support/stage');
const { deadline } = require('../support/until');

const PROGRAM = path.join(__dirname, 'locks-chaos-worker.js');
const { port, seconds, workers, seed, ...argument } = JSON.parse(process.argv[2]);
const STOP_DEADLINE_MS = 20_000;

const sections = new CriticalSections();
const running = new Set();
const done = { stops: 0, kills: 0, drops: 0 };
const { below, pick } = dice(seed);

class Worker {
  static #started = 0;
  #name = `w${(Worker.#started += 1)}`;
  #child;
  isStopped = false;

  constructor() {
    const args = [JSON.stringify({ ...argument, url: `redis://127.0.0.1:${port}`, worker: this.#name })];
    this.#child = fork(PROGRAM, args, { execArgv: ['--unhandled-rejections=strict'] });
    const { pid } = this.#child;
    reaper.killWithUs(pid);
    running.add(this);
    this.#child.on('message', (message) => this.#heard(message));
    this.exited = new Promise((resolve) => this.#child.once('exit', (code, signal) => resolve({ code, signal })));
    // Some are killed before they have begun.
    this.begun = Promise.race([this.exited, new Promise((resolve) => this.#child.once('message', resolve))]);
    this.exited.then(() => {
      reaper.forget(pid);
      running.delete(this);
    });
  }

  #heard({ asked, denied, looked, write }) {
    if (asked) sections.asked(asked);
    else if (denied) sections.denied(denied);
    else if (looked) sections.looked(looked);
    else {
      sections.write(write.key, write.fence);
      this.#tell({ written: write.id });
    }
  }

  /** Whoever has been killed does not listen. */
  #tell(message) {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  async stopFor(ms) {
    this.isStopped = true;
    const from = now();
    this.#child.kill('SIGSTOP');
    await sleep(ms);
    const to = now();
    this.#child.kill('SIGCONT');
    sections.stopped(this.#name, from, to);
    this.isStopped = false;
  }

  async kill() {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  async end() {
    this.#tell({});
    const { code, signal } = await deadline(this.exited, STOP_DEADLINE_MS, `the end of ${this.#name}`);
    if (code !== 0) throw new Error(`${this.#name} ended with ${signal ?? code}`);
  }
}

const ACTS = {
  async stop(worker) {
    await worker.stopFor(300 + below(3000));
    done.stops += 1;
  },
  async kill(worker) {
    await worker.kill();
    done.kills += 1;
    await new Worker().begun;
  },
  async drop(_worker, redis) {
    const connections = await connectionsOf(redis);
    if (connections.length === 0) return;
    // In this form it answers how many there were: one that has ended meanwhile is no error.
    done.drops += await redis.command('CLIENT', 'KILL', 'ID', pick(connections).id);
  },
};

async function chaos(redis, until) {
  const acts = [];
  while (now() < until) {
    await sleep(below(1200));
    const goingOn = [...running].filter(({ isStopped }) => !isStopped);
    // Most go on, or nobody would contend.
    if (goingOn.length <= workers - 3) continue;
    acts.push(ACTS[pick(['stop', 'stop', 'kill', 'drop'])](pick(goingOn), redis));
  }
  await Promise.all(acts);
}

async function main() {
  const redis = new RespClient(port);
  try {
    await Promise.all(Array.from({ length: workers }, () => new Worker().begun));
    await chaos(redis, now() + seconds * 1e6);
    const end = now();
    await Promise.all([...running].map((worker) => worker.end()));
    const gaps = sections.gaps(end, argument.longestTtlMs).sort((a, b) => b.excessMs - a.excessMs).slice(0, 5);
    console.log(JSON.stringify({ violations: sections.violations(), gaps, ...done, ...sections.counts() }));
  } finally {
    redis.close();
    await Promise.all([...running].map((worker) => worker.kill()));
  }
}

main();
