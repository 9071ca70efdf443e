'use strict';

// Carries out plans of lifetimes, as its parent sends them (lifetimes.spec.js), and answers with what came of each step.
// Steps of a plan follow each other in one tick, up to the next `wait`.

const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const PATIENCE_MS = 10_000;

const open = (options) => {
  const backplane = require('../..').createBackplane({ logger: silent, ...options });
  backplane.getClient().on('error', () => {});
  return backplane;
};

/** The value, or the code of the error, or that none of these came in time. */
function outcome(act) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, 'pending');
  });
  const settled = (async () => act())().then(
    (value) => value ?? 'nothing',
    (error) => error.code ?? `${error}`
  );
  return Promise.race([settled, late]).finally(() => clearTimeout(timer));
}

const HANDLES = {
  duplicate: (backplane) => backplane.getClient().duplicate(),
  subscriber: (backplane) => backplane.createSubscriber(),
  pubSub: (backplane) => new backplane.RedisPubSub(),
};

/** One plan: its backplanes, handles and workers by their numbers. */
class Stage {
  backplanes = new Map();
  handles = new Map();
  workers = new Map();

  constructor({ urls, prefix }) {
    this.urls = urls;
    this.prefix = prefix;
  }

  optionsOf(b) {
    return { url: this.urls[b % this.urls.length], keyPrefix: `${this.prefix}${b}:` };
  }

  open({ b }) {
    this.backplanes.set(b, open(this.optionsOf(b)));
  }

  set({ b, value }) {
    return this.backplanes.get(b)?.cacheSet('k', { value, text: 'é'.repeat(value % 50) });
  }

  async get({ b }) {
    const found = await this.backplanes.get(b)?.cacheGet('k');
    return found === null ? 'miss' : found?.value;
  }

  close({ b }) {
    return this.backplanes.get(b)?.close();
  }

  make({ b, h, kind }) {
    if (this.backplanes.has(b)) this.handles.set(h, HANDLES[kind](this.backplanes.get(b)));
  }

  async subscribe({ h }) {
    await this.handles.get(h)?.subscribe('c', () => {});
    return 'settled';
  }

  async end({ h }) {
    const handle = this.handles.get(h);
    await (handle?.quit ? handle.quit() : handle?.close());
    return 'settled';
  }

  startWorker({ w }) {
    const worker = new Worker(__filename, { workerData: this.optionsOf(w) });
    this.workers.set(w, worker);
    return new Promise((resolve) => {
      worker.once('message', resolve);
      worker.once('error', (error) => resolve(`${error}`));
      worker.once('exit', () => resolve('ended'));
    });
  }

  endWorker({ w, how }) {
    const worker = this.workers.get(w);
    if (worker === undefined) return undefined;
    this.workers.delete(w);
    const ended = new Promise((resolve) => {
      worker.once('exit', () => resolve('ended'));
    });
    if (how === 'terminate') worker.terminate();
    else worker.postMessage(how);
    return ended;
  }

  async finish() {
    const left = [...this.workers.keys()].map((w) => outcome(() => this.endWorker({ w, how: 'terminate' })));
    const closed = [...this.backplanes.values()].map((backplane) => outcome(() => backplane.close()));
    return Promise.all([...left, ...closed]);
  }
}

async function carryOut({ steps, ...where }) {
  const stage = new Stage(where);
  const outcomes = [];
  for (const step of steps) {
    if (step.do === 'wait') await Promise.all(outcomes);
    else outcomes.push(outcome(() => stage[step.do](step)));
  }
  const came = await Promise.all(outcomes);
  return { came, finished: await stage.finish() };
}

function work(options) {
  const backplane = open(options);
  const call = async () => (await backplane.cacheSet('own', { own: 1 })) && (await backplane.cacheGet('own')).own === 1;
  parentPort.on('message', async (how) => {
    for (let i = 0; i < 100; i++) backplane.cacheGet('own').catch(() => {});
    if (how === 'exit') process.exit(0);
    if (how === 'close') await backplane.close();
    parentPort.unref();
  });
  call().then(
    (works) => parentPort.postMessage(works ? 'works' : 'broken'),
    // It was told to close meanwhile.
    (error) => parentPort.postMessage(error.code)
  );
}

if (isMainThread) process.on('message', async (plan) => process.send(await carryOut(plan)));
else work(workerData);
