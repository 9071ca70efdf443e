'use strict';

const { fork } = require('node:child_process');
const path = require('node:path');
const { startRedis, uniquePrefix } = require('./support');
const { cleanEnv } = require('./support/program');

const PROGRAM = path.join(__dirname, 'programs', 'rate-limits-crowd.js');
const PROCESSES = 8;
const CALLS = 1000;

/** Several processes, which begin together; they end by themselves, or with the test. */
class Crowd {
  #children = [];

  async start(argument) {
    const ready = [];
    for (let i = 0; i < PROCESSES; i += 1) {
      const args = ['--unhandled-rejections=strict'];
      const child = fork(PROGRAM, [JSON.stringify(argument)], { env: cleanEnv(), execArgv: args });
      this.#children.push(child);
      ready.push(this.#next(child));
    }
    expect(await Promise.all(ready)).toEqual(ready.map(() => 'ready'));
  }

  /** The next thing that a process says. */
  #next(child) {
    return new Promise((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', (code) => reject(new Error(`ended with ${code} before it was done`)));
    });
  }

  async run() {
    const results = this.#children.map((child) => this.#next(child));
    const ends = this.#children.map((child) => new Promise((resolve) => child.once('exit', resolve)));
    for (const child of this.#children) child.send('go');
    const told = await Promise.all(results);
    expect(await Promise.all(ends)).toEqual(ends.map(() => 0));
    return told;
  }

  end() {
    for (const child of this.#children.splice(0)) child.kill('SIGKILL');
  }
}

describe(`a limit that ${PROCESSES} processes check ${CALLS} times each, all at once`, () => {
  const crowd = new Crowd();
  let redis;

  beforeAll(async () => {
    redis = await startRedis();
  });

  afterEach(() => crowd.end());
  afterAll(() => redis.stop());

  const ALGORITHMS = ['fixed-window', 'sliding-window', 'token-bucket'];

  test.each(ALGORITHMS.flatMap((algorithm) => [
    [algorithm, { max: 1234, cost: 1, allowed: 1234 }],
    [algorithm, { max: 1000, cost: 7, allowed: 142 }],
  ]))('%s: lets through exactly the limit: %j', async (algorithm, { max, cost, allowed }) => {
    await crowd.start({ url: redis.url, keyPrefix: uniquePrefix(), calls: CALLS, key: 'k', max, options: { algorithm, cost } });
    const results = await crowd.run();
    expect(results.reduce((sum, result) => sum + result.allowed, 0)).toBe(allowed);
    expect([...new Set(results.flatMap(({ sources }) => sources))]).toEqual(['redis']);
    expect(Math.max(...results.map(({ most }) => most))).toBe(allowed * cost);
  });
});
