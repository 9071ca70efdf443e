'use strict';

// Connections to PostgreSQL. Each has `query(text, parameters)`, which returns rows,
// `run(statements)`, and `close()`.

const POOL = 10;
const CONNECT_TIMEOUT_MS = 5000;

/** An existing server. */
function connectPostgres(url) {
  const { Pool } = require('pg');
  const pool = new Pool({ connectionString: url, max: POOL, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // The pool replaces a connection that broke while idle; without a listener it would end the process.
  pool.on('error', (error) => console.error(`PostgreSQL: ${error.message}`));
  return {
    query: async (text, parameters) => (await pool.query(text, parameters)).rows,
    run: (statements) => pool.query(statements),
    close: () => pool.end(),
  };
}

/** PostgreSQL within this process, in memory. */
async function startPglite() {
  const { PGlite } = await import('@electric-sql/pglite');
  const pglite = await PGlite.create();
  return {
    query: async (text, parameters) => (await pglite.query(text, parameters)).rows,
    run: (statements) => pglite.exec(statements),
    close: () => pglite.close(),
  };
}

module.exports = { connectPostgres, startPglite };
