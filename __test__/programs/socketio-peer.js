'use strict';

// Asks for the adapter of Socket.IO, where the package stands among the modules of a project.

const { createBackplane } = require('redis-backplane');

const { url, options } = JSON.parse(process.argv[2]);
const backplane = createBackplane({ url, logger: { debug() {}, info() {}, warn() {}, error() {} } });

function ask() {
  try {
    return { adapter: backplane.socketIoAdapter(options) };
  } catch (error) {
    return { code: error.code, isError: error instanceof Error };
  }
}

async function main() {
  const answer = ask();
  const kept = (await backplane.cacheSet('k', 1)) && (await backplane.cacheGet('k')) === 1;
  await backplane.close();
  console.log(JSON.stringify({ ...answer, kept }));
}

main();
