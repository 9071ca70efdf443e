'use strict';

// Loads the package's JavaScript in contexts of their own (own Array, Promise, TypeError, …), as
// test runners and plugin systems do, and drops them.

const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const vm = require('node:vm');

const { url, count } = JSON.parse(process.argv[2]);
const ROOT = path.join(__dirname, '..', '..');

/** `require` whose modules all live in one context; built-in ones and addons are shared. */
function contextRequire(context) {
  const modules = new Map();
  const load = (file) => {
    if (modules.has(file)) return modules.get(file).exports;
    const module = { exports: {} };
    modules.set(file, module);
    const wrapper = vm.compileFunction(fs.readFileSync(file, 'utf8'), ['module', 'exports', 'require', '__dirname', '__filename'], {
      filename: file,
      parsingContext: context,
    });
    const native = createRequire(file);
    const require = (name) => {
      const resolved = native.resolve(name);
      return path.isAbsolute(resolved) && resolved.endsWith('.js') ? load(resolved) : native(name);
    };
    wrapper(module, module.exports, require, path.dirname(file), file);
    return module.exports;
  };
  return load;
}

async function useInContext(i) {
  const context = vm.createContext({ process, Buffer, console, setTimeout, clearTimeout, setImmediate, queueMicrotask, URL });
  const { createBackplane } = contextRequire(context)(path.join(ROOT, 'index.js'));
  const own = vm.runInContext('({ TypeError })', context);
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const backplane = createBackplane({ url, logger: silent, keyPrefix: `context:${i}:` });
  const set = await backplane.cacheSet('k', { text: 'é' });
  const get = await backplane.cacheGet('k');
  const refused = await backplane.cacheGet(5).catch((error) => error);
  const client = backplane.getClient();
  const answers = {
    set,
    get,
    refused: `${refused instanceof own.TypeError ? 'TypeError' : 'foreign'} ${refused.code}`,
    ping: await client.ping(),
    binary: await client.call('ECHO', Buffer.from('bytes')).catch((error) => error.code),
  };
  // Some are closed, others are left to the collector with calls in flight.
  if (i % 2) await backplane.close();
  else backplane.cacheGet('k');
  return answers;
}

async function main() {
  const answers = [];
  for (let i = 0; i < count; i++) {
    answers.push(await useInContext(i));
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  globalThis.gc();
  const backplane = require('../..').createBackplane({ url, logger: { debug() {}, info() {}, warn() {}, error() {} } });
  const main = [await backplane.cacheSet('main', 1), await backplane.cacheGet('main')];
  await backplane.close();
  console.log(JSON.stringify({ answers, main }));
}

main();
