'use strict';

const http = require('node:http');
const { readPlace } = require('./place');
const { forgetAll, forgetPicture, getPicture } = require('./pictures');
const { files } = require('./static-files');

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

function send(response, status, body, type = 'application/json') {
  response.writeHead(status, { ...HEADERS, 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function sendJson(response, status, data) {
  send(response, status, JSON.stringify(data));
}

/** Returns `{ status, message }` that may be shown: not the internal error. */
function excuse(error) {
  if (error.status) return { status: error.status, message: error.message };
  if (error.code === 'E_LOADER_TIMEOUT') return { status: 503, message: 'That took too long. Try again.' };
  console.error(error);
  return { status: 500, message: 'Something went wrong in the server.' };
}

function describe({ x, y, zoom }) {
  return `x=${x} y=${y} zoom=${zoom}`;
}

/** The endpoints. Each returns `{ body, seen }`: for the visitor, and for the log. */
function createRoutes({ pool }) {
  const render = (place) => pool.render(place);
  return {
    'GET /api/picture': async (query) => {
      const place = readPlace(query);
      const body = { ...place, ...(await getPicture(place, render)) };
      return { body, seen: { outcome: body.outcome, source: body.source, what: describe(place), ms: body.ms } };
    },
    'DELETE /api/picture': async (query) => {
      const place = readPlace(query);
      const body = await forgetPicture(place);
      return { body, seen: { outcome: 'forget', source: body.source, what: describe(place) } };
    },
    'DELETE /api/pictures': async () => {
      const body = await forgetAll();
      return { body, seen: { outcome: 'forget', source: body.source, what: `all: ${body.removed} removed` } };
    },
  };
}

function createApp({ pool, live, report }) {
  const routes = createRoutes({ pool });
  return http.createServer((request, response) => {
    const { pathname, search } = split(request.url);
    const route = routes[`${request.method} ${pathname}`];
    const file = request.method === 'GET' && files.get(pathname);
    if (route) answer(route, new URLSearchParams(search), response, report);
    else if (file) send(response, 200, file.body, file.type);
    else if (request.method === 'GET' && pathname === '/api/live') openLive(live, response);
    else sendJson(response, 404, { error: 'There is nothing here.' });
  });
}

async function answer(route, query, response, report) {
  const at = Date.now();
  const started = performance.now();
  try {
    const { body, seen } = await route(query);
    report({ at, ms: performance.now() - started, ...seen });
    sendJson(response, 200, body);
  } catch (error) {
    const { status, message } = excuse(error);
    report({ at, ms: performance.now() - started, outcome: String(status), source: '-', what: message });
    sendJson(response, status, { error: message });
  }
}

function openLive(live, response) {
  if (!live.open(response)) sendJson(response, 503, { error: 'Too many pages are open.' });
}

/** Not `new URL`: it throws on some input that can be sent. */
function split(url) {
  const at = url.indexOf('?');
  return at < 0 ? { pathname: url, search: '' } : { pathname: url.slice(0, at), search: url.slice(at) };
}

module.exports = { createApp };
