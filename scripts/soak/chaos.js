'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { dice } = require('../../__test__/support/random');

const LONGEST_FAULT_MS = 1500;
const CALLS_IN_FAULT = 400;
const POLL_MS = 20;

const broken = (proxy) => {
  proxy.refuse();
  proxy.cut();
};

/** The faults of the connections of an instance. */
const FAULTS = {
  cut: (proxy) => proxy.cut(),
  'cut one': (proxy, { pick }) => pick(proxy.links)?.reset(),
  refuse: broken,
  stall: (proxy) => proxy.stall(),
  'stall replies': (proxy) => proxy.stallReplies(),
  'stall one': (proxy, { pick }) => pick(proxy.links)?.flow({ request: false, reply: false }),
  'black hole': (proxy) => proxy.blackhole(),
  'half-close': (proxy, { pick }) => pick(proxy.links)?.halfClose(pick(['client', 'server'])),
  'half-close all': (proxy, { pick }) => {
    for (const link of proxy.links) link.halfClose(pick(['client', 'server']));
  },
  slow: (proxy, { below }) => proxy.delay(5 + below(20)),
  /** In the middle of a reply. */
  tear: (proxy, { below }) => proxy.onReply((chunk) => {
    proxy.onReply(() => {});
    setImmediate(() => proxy.cut());
    return chunk.subarray(0, below(chunk.length));
  }),
};

async function heal(proxy) {
  proxy.onReply(() => {});
  proxy.delay(0);
  proxy.flow();
  await proxy.accept();
}

/**
 * Disturbs the connections of one instance of the caller repeatedly, so that half of its calls are
 * affected.
 */
class Chaos {
  #caller;
  #proxy;
  #number;
  #dice;
  counts = Object.fromEntries(Object.keys(FAULTS).map((name) => [name, 0]));

  constructor({ caller, proxy, number, seed }) {
    this.#caller = caller;
    this.#proxy = proxy;
    this.#number = number;
    this.#dice = dice(seed + number);
  }

  #state() {
    return this.#caller.run(({ instances, isOver }, i) => {
      const { calls, met, isReady } = instances[i];
      return { calls, met, isReady, isOver: isOver() };
    }, this.#number);
  }

  async #waitUntil(is, mostMs = Infinity) {
    const end = performance.now() + mostMs;
    for (;;) {
      const state = await this.#state();
      if (state.isOver || is(state) || performance.now() > end) return state;
      await sleep(POLL_MS);
    }
  }

  async #harm() {
    const name = this.#dice.pick(Object.keys(FAULTS));
    await this.#caller.run(({ instances }, i) => instances[i].harmed(), this.#number);
    const { calls } = await this.#state();
    FAULTS[name](this.#proxy, this.#dice);
    this.counts[name] += 1;
    const goal = calls + this.#dice.below(CALLS_IN_FAULT);
    await this.#waitUntil((state) => state.calls >= goal, 50 + this.#dice.below(LONGEST_FAULT_MS));
    await heal(this.#proxy);
    await this.#waitUntil(({ isReady }) => isReady);
    await this.#caller.run(({ instances }, i) => instances[i].healed(), this.#number);
  }

  async untilOver() {
    for (;;) {
      const { isOver } = await this.#waitUntil(({ calls, met, isReady }) => isReady && met * 2 <= calls);
      if (isOver) break;
      await this.#harm();
    }
    await heal(this.#proxy);
  }
}

module.exports = { Chaos };
