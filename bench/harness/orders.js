'use strict';

/** In a child process: executes the parent's orders by name, until the parent is gone. */
function serveOrders(orders) {
  process.on('message', async (message) => {
    try {
      process.send({ result: await orders[message.name](message) });
    } catch (error) {
      process.send({ error: error.stack ?? String(error) });
    }
  });
  process.once('disconnect', () => process.exit(0));
}

module.exports = { serveOrders };
