'use strict';

const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { nowMicros } = require('../../harness/clock');
const { commandCounts, openObserver } = require('../../harness/observer');
const { startMeter } = require('../../harness/meter');
const { Partner } = require('../../harness/partner');
const { Line } = require('./line');
const { pauseMillis, redisKey } = require('./sides');

const PARTNER = path.join(__dirname, 'partner-main.js');
const ORDINARY = { isDeep: false, holdMillis: () => between(1, 5) };
// They call one after another, so that it is known who was first.
const GAP_MILLIS = 3;
const SHORTEST_HOLD_MILLIS = 10;
const LEAST_SPREAD_MILLIS = 20;
// After the waiters have asked for the first time.
const SETTLE_MILLIS = 100;

/**
 * One lock, a holder in this process, and `waiters` in two: the first in the other one, the second
 * in this one, and so on. A session ends when each has held the lock once.
 */
class Queue {
  #client;
  #side;
  #name;
  #waiters;
  #redis;
  #line;
  #partner;

  static async open({ client, side, url }, { name, waiters }) {
    const queue = new Queue();
    queue.#client = client;
    queue.#side = side;
    queue.#name = name;
    queue.#waiters = waiters;
    queue.#redis = await openObserver(url);
    queue.#line = new Line(client, (lock) => queue.#redis.get(redisKey(side, lock)));
    queue.#partner = new Partner(PARTNER);
    await queue.#partner.ask('open', { side, url });
    return queue;
  }

  /** A session in which each must find its token in Redis. */
  checkedSession() {
    return this.#session({ ...ORDINARY, isDeep: true }, () => this.#hold());
  }

  /** Sessions for this time. */
  async sessions(millis) {
    await this.#partner.ask('collect');
    const deadline = nowMicros() + millis * 1000;
    const sessions = [];
    do sessions.push(await this.#session(ORDINARY, () => this.#hold()));
    while (nowMicros() < deadline);
    return sessions;
  }

  /**
   * A session in which the holder keeps the lock for this time, and the cost of waiting meanwhile.
   */
  async longHold(millis) {
    await this.#partner.ask('collect');
    let usage;
    const session = await this.#session({ isDeep: false, holdMillis: () => 0 }, async () => {
      await sleep(SETTLE_MILLIS);
      usage = await this.#usage(millis);
    });
    return { session, usage };
  }

  close() {
    this.#partner.close();
    this.#redis.disconnect();
  }

  // A release falls anywhere between two tries of a waiter.
  #hold() {
    const spread = Math.max(pauseMillis(this.#side), LEAST_SPREAD_MILLIS);
    return sleep(SHORTEST_HOLD_MILLIS + between(0, spread));
  }

  /**
   * What each holder of the lock did, in the order in which they called; the first holder comes
   * first.
   */
  async #session({ isDeep, holdMillis }, hold) {
    const lock = this.#name;
    const calledAt = nowMicros();
    const first = await this.#client.take(lock);
    const grantedAt = nowMicros();
    if (first === null) throw new Error('the lock is not free, though nobody should have it');
    const calls = Array.from({ length: this.#waiters }, (_, index) => ({
      afterMillis: GAP_MILLIS * (index + 1) + between(-1, 1),
      holdMillis: holdMillis(),
    }));
    await Promise.all([
      this.#line.begin({ lock, calls: calls.filter((_, index) => index % 2 === 1), isDeep }),
      this.#partner.begin({ lock, calls: calls.filter((_, index) => index % 2 === 0), isDeep }),
    ]);
    await hold();
    const releasedAt = nowMicros();
    const problem = (await first.release()) ? null : 'was lost before it was released';
    const own = [{ calledAt, grantedAt, releasedAt, problem }, ...(await this.#line.end())];
    const others = await this.#partner.end();
    return [...placed(own, 'own'), ...placed(others, 'other')].sort((a, b) => a.calledAt - b.calledAt);
  }

  async #usage(millis) {
    const before = await commandCounts(this.#redis);
    await this.#partner.ask('startMeter');
    const stopMeter = startMeter();
    await sleep(millis);
    const own = stopMeter();
    const other = await this.#partner.ask('stopMeter');
    const after = await commandCounts(this.#redis);
    return {
      seconds: own.seconds,
      commands: total(after) - total(before),
      cpuMicros: own.cpuMicros + other.cpuMicros,
    };
  }
}

function placed(visits, process) {
  return visits.map((visit) => ({ ...visit, process }));
}

function between(least, most) {
  return least + Math.random() * (most - least);
}

function total(counts) {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

module.exports = { Queue };
