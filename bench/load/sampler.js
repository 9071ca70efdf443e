'use strict';

const { cpuOf, machineTime } = require('./threads');

const EVERY_MS = 1000;

/** The resource usage of the instances and the machine, once a second. */
class Sampler {
  #cluster;
  #begun = performance.now();
  #timer;
  samples = [];
  phase = 'warm-up';
  isRedisEverywhere = false;

  constructor(cluster) {
    this.#cluster = cluster;
    this.#timer = setInterval(() => this.#take().catch(() => {}), EVERY_MS);
  }

  async #take() {
    const at = (performance.now() - this.#begun) / 1000;
    const { phase } = this;
    const instances = await this.#cluster.ofServers('sample');
    const cpus = this.#cluster.servers.map(({ pid }) => cpuOf(pid));
    this.isRedisEverywhere = instances.every(({ isRedisAvailable }) => isRedisAvailable);
    const machine = machineTime();
    this.samples.push({ at, phase, machine, instances: instances.map((each, i) => ({ ...each, cpu: cpus[i] })) });
  }

  stop() {
    clearInterval(this.#timer);
  }
}

module.exports = { Sampler };
