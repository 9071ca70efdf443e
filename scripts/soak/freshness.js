'use strict';

/**
 * Whether everything worked meanwhile: the connection for calls, or all of an instance's
 * connections.
 */
const STEADY = { now: (instance) => instance.steady(), holds: (instance, since) => instance.isSteadySince(since) };
const CALM = { now: (instance) => instance.calm(), holds: (instance, since) => instance.isCalmSince(since) };

/** For this many versions back, the writer is known. */
const REMEMBERED = 20;

/**
 * The values that may be read of one thing that only one worker writes, through several instances
 * that share it. Every write and every delete has a version; a value carries the version with which
 * it was written. A miss is always correct.
 */
class Freshness {
  #instances;
  #tell;
  #steadiness;
  #own = new Map();
  #everywhere = { version: 0, since: [] };
  #writers = new Map();
  /** The content of a database. */
  now = 0;

  constructor(what, instances, tell, steadiness = STEADY) {
    this.what = what;
    this.#instances = instances;
    this.#tell = tell;
    this.#steadiness = steadiness;
  }

  /**
   * `act(instance, version)` writes or deletes. It counts unless it returns `false`: then the
   * outcome is unknown. `how`: for humans.
   */
  async write(instance, act, how = 'write') {
    const since = this.#instances.map(this.#steadiness.now);
    this.now += 1;
    const version = this.now;
    const began = instance.steady();
    const writer = { instance, how, wasHarmed: instance.isHarmed, isInDoubt: true };
    this.#writers.set(version, writer);
    this.#writers.delete(version - REMEMBERED);
    const isDone = (await act(instance, version)) !== false;
    writer.isDone = isDone;
    writer.isInDoubt = !instance.isSteadySince(began);
    if (!isDone) return;
    this.#own.set(instance, version);
    this.#everywhere = { version, since };
  }

  /**
   * A write of another instance that lost its connection may be in transit to Redis until that
   * instance is back; only that instance can know.
   */
  #mayStillArrive(version, reader) {
    const { instance, isInDoubt } = this.#writers.get(version) ?? {};
    return isInDoubt && instance !== reader;
  }

  #story() {
    const lines = [...this.#writers].slice(-4).map(([version, { instance, how, wasHarmed, isDone, isInDoubt }]) =>
      `${version}: ${how} on ${instance.name}${wasHarmed ? ' in a fault' : ''}${isDone ? '' : ', not done'}${isInDoubt ? ', in doubt' : ''}`);
    return lines.join('; ');
  }

  /**
   * `act(instance)` reads a version or null: never older than what this instance knows, or what all
   * connected instances know.
   */
  async read(instance, act) {
    const own = this.#own.get(instance) ?? 0;
    const { version: shared, since } = this.#everywhere;
    const got = await act(instance);
    if (got === null) return null;
    const isShared = this.#instances.every((each, i) => this.#steadiness.holds(each, since[i]));
    const read = `${this.what}: ${instance.name} read version ${got}`;
    if (isShared && got < shared) this.#tell(`${read} after ${shared}, all being connected (${this.#story()})`);
    else if (got < own && !this.#mayStillArrive(got, instance)) this.#tell(`${read} after its own ${own} (${this.#story()})`);
    return got;
  }
}

module.exports = { CALM, Freshness };
