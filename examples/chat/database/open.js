'use strict';

const { readCorpus } = require('../corpus/read');
const { connectPostgres, startPglite } = require('./connections');
const { createDatabase } = require('./queries');
const { prepare } = require('./schema');

/** Opens a database that is ready for queries; `url`: of PostgreSQL, or empty. */
async function openConnection(url) {
  const connection = url ? connectPostgres(url) : await startPglite();
  try {
    await prepare(connection, readCorpus());
  } catch (error) {
    await connection.close();
    throw error;
  }
  return connection;
}

/** Without a URL, the demo's process has the database and has prepared it. */
async function openDatabase({ url, demo }) {
  if (url || !demo) return createDatabase(await openConnection(url));
  return createDatabase({ query: (text, parameters) => demo.ask('query', { text, parameters }), close: async () => {} });
}

module.exports = { openConnection, openDatabase };
