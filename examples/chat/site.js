'use strict';

const path = require('node:path');
const express = require('express');

const PUBLIC = path.join(__dirname, 'public');
const UPLOT = path.join(path.dirname(require.resolve('uplot/package.json')), 'dist');
const UPLOT_FILES = ['uPlot.esm.js', 'uPlot.iife.min.js', 'uPlot.min.css'];

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** In the exposition format of Prometheus, like the package's own metrics. */
function exposition(counts) {
  const typeOf = (name) => (name.endsWith('_total') ? 'counter' : 'gauge');
  return Object.entries(counts).map(([name, value]) => `# TYPE ${name} ${typeOf(name)}\n${name} ${value}\n`).join('');
}

/**
 * The page and its libraries, and the endpoints for monitoring. `counts()`: the chat's own
 * counters.
 */
function createSite({ backplane, counts }) {
  const app = express();
  app.disable('x-powered-by');
  app.use((_request, response, next) => {
    response.set(HEADERS);
    next();
  });
  app.get('/health', async (_request, response) => {
    const health = await backplane.health();
    // Without Redis an instance still serves its users: that is no reason to take it out of
    // rotation.
    response.status(health.status === 'closed' ? 503 : 200).set('cache-control', 'no-store').json(health);
  });
  app.get('/metrics', (_request, response) => {
    const text = backplane.prometheusMetrics() + exposition(counts());
    response.type('text/plain; version=0.0.4; charset=utf-8').set('cache-control', 'no-store').send(text);
  });
  for (const name of UPLOT_FILES) {
    app.get(`/vendor/uplot/${name}`, (_request, response) => response.sendFile(name, { root: UPLOT }));
  }
  app.use(express.static(PUBLIC, { cacheControl: false }));
  app.use((_request, response) => response.status(404).json({ code: 'NOT_FOUND' }));
  // Express recognises an error handler by its four parameters.
  app.use((error, _request, response, _next) => {
    const status = error.status >= 400 && error.status < 500 ? error.status : 500;
    if (status === 500) console.error(error);
    response.status(status).json({ code: status === 500 ? 'INTERNAL' : 'BAD_REQUEST' });
  });
  return app;
}

module.exports = { createSite };
