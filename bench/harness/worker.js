'use strict';

const { fork } = require('node:child_process');
const path = require('node:path');

const CHILD = path.join(__dirname, 'child.js');
const CLOSE_MILLIS = 5000;

const running = new Set();
let aborted = false;

function startWorker(suite, side, url) {
  if (aborted) throw new Error('aborted');
  const child = fork(CHILD, [suite, side, url], { execArgv: [...process.execArgv, '--expose-gc'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return {
    order: (message, timeoutMillis) => order(child, side, message, timeoutMillis),
    close: () => close(child),
  };
}

function order(child, side, message, timeoutMillis) {
  return new Promise((resolve, reject) => {
    const settle = (action, value) => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      action(value);
    };
    const fail = (reason) => settle(reject, new Error(`${side}, ${message.name}: ${reason}`));
    const onMessage = ({ error, result }) => (error ? fail(error) : settle(resolve, result));
    const onExit = (code, signal) => fail(`its process ended with ${signal ?? code}`);
    const timer = setTimeout(() => fail(`no answer within ${timeoutMillis} ms`), timeoutMillis);
    child.on('message', onMessage);
    child.on('exit', onExit);
    child.send(message, (error) => error && fail(error.message));
  });
}

function close(child) {
  if (!running.has(child)) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), CLOSE_MILLIS);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    // A failed send means that the process is ending already.
    child.send({ name: 'close' }, () => {});
  });
}

function abortWorkers() {
  aborted = true;
  for (const child of running) child.kill('SIGKILL');
}

module.exports = { startWorker, abortWorkers };
