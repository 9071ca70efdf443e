'use strict';

// Loads a file and prints what came of it.

const { pathToFileURL } = require('node:url');

/** `asNobody`: root may read everything. */
const { file, asModule, asNobody } = JSON.parse(process.argv[2]);

if (asNobody && process.getuid() === 0) process.setuid(65534);

async function main() {
  try {
    if (asModule) await import(pathToFileURL(file).href);
    else require(file);
    return { loaded: true };
  } catch (error) {
    return {
      code: error.code,
      message: error.message,
      isError: error instanceof Error,
      hasCause: error.cause instanceof Error,
    };
  }
}

main().then((result) => console.log(JSON.stringify(result)));
