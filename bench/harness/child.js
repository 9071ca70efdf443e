'use strict';

const { loadSuite } = require('./suites');
const { measure } = require('./measure');
const { serveOrders } = require('./orders');

const [suiteName, sideName, url] = process.argv.slice(2);

let client;
let operation;

const orders = {
  async prepare({ workload }) {
    const suite = loadSuite(suiteName);
    client = await suite.open(sideName, url);
    operation = await suite.prepare(client, workload);
  },

  measure({ concurrency, millis }) {
    // Every measurement starts without the garbage of the one before.
    globalThis.gc();
    return operation.measure ? operation.measure({ millis }) : measure(operation, { concurrency, millis });
  },

  async close() {
    await client?.close();
    process.exit(0);
  },
};

serveOrders(orders);
