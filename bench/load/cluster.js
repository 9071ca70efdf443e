'use strict';

const { Child } = require('./child');

const INSTANCES = 2;

/** Two instances on one side's modules, and the processes with their clients. */
class Cluster {
  servers = [];
  clients = [];
  /** What ended unexpectedly. */
  crashes = [];
  #isEnding = false;

  #start(program, argument, env) {
    const onEnd = (how) => this.#isEnding || this.crashes.push(`${program} ended (${how})`);
    return new Child(program, argument, { env, onEnd });
  }

  async open({ modules, url, clients, rooms, rate, processes }) {
    const ids = Array.from({ length: rooms }, (_, i) => `room-${i}`);
    const env = { REDIS_URL: url, USUAL_PREFIX: 'load:' };
    this.servers = Array.from({ length: INSTANCES }, (_, instance) => this.#start('server.js', { modules, instance, rooms: ids }, env));
    const ports = await Promise.all(this.servers.map((server) => server.ask('listen')));
    this.clients = Array.from({ length: processes }, (_, number) => {
      const own = ids.filter((_id, i) => i % processes === number);
      const count = Math.floor(clients / processes) + (number < clients % processes ? 1 : 0);
      return this.#start('clients.js', { ports, rooms: own, count, rate: rate / processes, number });
    });
    await this.ofClients('open');
  }

  ofClients(order, data) {
    return Promise.all(this.clients.map((child) => child.ask(order, data)));
  }

  ofServers(order) {
    return Promise.all(this.servers.map((child) => child.ask(order)));
  }

  /** Of the instances that still run. */
  async troubles() {
    const answers = await Promise.allSettled(this.servers.map((child) => child.ask('sample')));
    return answers.filter(({ status }) => status === 'fulfilled').map(({ value }) => value.troubles);
  }

  async close() {
    this.#isEnding = true;
    await Promise.all(this.clients.map((child) => child.end()));
    await Promise.all(this.servers.map((child) => child.end()));
  }
}

module.exports = { Cluster };
