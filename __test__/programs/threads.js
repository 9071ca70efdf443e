'use strict';

// Worker threads that load the addon, in the order of a plan, while the main thread loads it only when the plan says
// so. The plan is a list of steps: `start` a worker under a name, `end` it in some way, `call` from it, and `load`
// (and use), or `close`, in the main thread.

const { once } = require('node:events');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const open = (url) => require('../..').createBackplane({ url, logger: silent });

/** What a worker does when it is told to. */
const ORDERS = {
  call: async (backplane) => {
    await backplane.cacheSet('k', { text: 'é'.repeat(100) });
    parentPort.postMessage((await backplane.cacheGet('k')).text.length === 100);
  },
  /** Ends by itself: nothing keeps it alive. */
  leave: () => parentPort.unref(),
  close: async (backplane) => {
    await backplane.close();
    parentPort.unref();
  },
  exit: () => process.exit(0),
  /** Until somebody terminates it. */
  beBusy: (backplane) => {
    setInterval(() => {
      for (let i = 0; i < 200; i++) backplane.cacheGet('k');
    }, 1);
    parentPort.postMessage(true);
  },
};

function work({ url }) {
  const backplane = open(url);
  parentPort.on('message', (order) => ORDERS[order](backplane));
  ORDERS.call(backplane);
}

/** A worker as the main thread sees it. */
class Thread {
  constructor(url) {
    this.worker = new Worker(__filename, { workerData: { url } });
    this.ended = once(this.worker, 'exit');
  }

  async hear() {
    const [answer] = await Promise.race([once(this.worker, 'message'), this.ended]);
    if (answer !== true) throw new Error(`a worker said ${answer}`);
  }

  async ask(order) {
    this.worker.postMessage(order);
    await this.hear();
  }

  async end(how) {
    if (how === 'terminate' || how === 'terminateBusy') {
      if (how === 'terminateBusy') await this.ask('beBusy');
      await this.worker.terminate();
    } else {
      this.worker.postMessage(how);
    }
    await this.ended;
  }
}

const { url, plan } = JSON.parse(process.argv[2] ?? '{}');
const threads = new Map();
let main;

const STEPS = {
  start: async (name) => {
    threads.set(name, new Thread(url));
    await threads.get(name).hear();
  },
  /** Terminated before it can have done much. */
  startAndTerminate: () => new Thread(url).worker.terminate(),
  call: (name) => threads.get(name).ask('call'),
  end: async (name, how) => {
    await threads.get(name).end(how);
    threads.delete(name);
  },
  load: async () => {
    main ??= open(url);
    if ((await main.cacheSet('main', 1)) !== true || (await main.cacheGet('main')) !== 1) throw new Error('wrong in the main thread');
  },
  close: async () => {
    await main?.close();
    main = undefined;
  },
};

async function run() {
  // Steps of one list run at once, lists one after the other.
  for (const steps of plan) await Promise.all(steps.map(([step, ...args]) => STEPS[step](...args)));
  console.log(JSON.stringify({ left: threads.size, isLoaded: main !== undefined }));
}

if (isMainThread) run();
else work(workerData);
