'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { dice } = require('../../__test__/support/random');
const { CALM, Freshness } = require('./freshness');

const ROUNDS = ['cache', 'queries', 'sessions', 'messages', 'limits', 'locks', 'presence', 'pubsub', 'commands'];
const createRounds = ROUNDS.map((name) => require(`./rounds/${name}`).createRound);

/**
 * Calls one function after the other, on an instance and sometimes on the one that shares its keys.
 */
class Worker {
  #x;
  #world;
  #dice;
  #rounds;

  constructor({ x, world, number, seed }) {
    this.#x = x;
    this.#world = world;
    this.#dice = dice(seed + number);
    const about = this.#about(`${x.name}${number}`);
    this.#rounds = createRounds.map((createRound) => createRound(about));
  }

  #about(name) {
    const x = this.#x;
    const { peers, tell } = this.#world;
    const peer = peers.get(x);
    const { below, pick } = this.#dice;
    const oneIn = (count) => below(count) === 0;
    const sharing = peer ? [x, peer] : [x];
    return {
      x,
      peer,
      world: this.#world,
      name,
      below,
      pick,
      oneIn,
      tell,
      either: () => (peer && oneIn(4) ? peer : x),
      fresh: (what) => new Freshness(what, sharing, tell),
      freshWhenCalm: (what) => new Freshness(what, sharing, tell, CALM),
    };
  }

  async work() {
    const { below, pick } = this.#dice;
    while (!this.#world.isOver()) {
      const before = this.#x.calls;
      // Any violation has been recorded by then.
      await pick(this.#rounds)().catch(() => {});
      await sleep((this.#x.calls - before) * below(2 * this.#world.pauseMs));
    }
  }
}

module.exports = { Worker };
