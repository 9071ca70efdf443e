'use strict';

const http = require('node:http');
const { once } = require('node:events');
const { Server } = require('socket.io');
const { io: connect } = require('socket.io-client');
const { rateLimit: limitRequests } = require('../examples/rate-limit/express');
const { rateLimit: limitEvents } = require('../examples/rate-limit/socketio');
const { deadline, uniquePrefix, until } = require('./support');
const { PLACES, onRedis, usePlace } = require('./support/places');

const MAX = 5;
const WINDOW = 60;
const PATIENCE_MS = 10_000;

const byUser = (req) => req.headers['x-user'] ?? 'anybody';
const closers = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A plain server behind these middlewares; answers a function that asks it. */
async function serve(...middlewares) {
  const server = http.createServer((req, res) => {
    const step = (index) => (error) => {
      if (error) res.writeHead(500).end(error.code);
      else if (index < middlewares.length) middlewares[index](req, res, step(index + 1));
      else res.end('welcome');
    };
    step(0)();
  });
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  const port = await listen(server);
  return (headers = {}) => ask(port, headers);
}

async function listen(server) {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server.address().port;
}

function ask(port, headers) {
  return new Promise((resolve, reject) => {
    const request = http.get({ port, host: '127.0.0.1', headers, agent: false }, async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      resolve({ status: response.statusCode, headers: response.headers, text });
    });
    request.once('error', reject);
  });
}

const times = (count, call) => Promise.all(Array.from({ length: count }, call));
const statuses = (answers) => answers.map(({ status }) => status).sort();
const allowed = (answers) => answers.filter(({ status }) => status === 200);

/** `"default";r=4;t=60`, as it should be. */
function limitOf({ headers }) {
  const [, r, t] = headers.ratelimit.match(/^"default";r=(\d+);t=(\d+)$/).map(Number);
  return { r, t };
}

describe.each(PLACES)('on %s', (_name, open) => {
  const place = usePlace(open);

  const rule = async (options) => ({ max: MAX, windowSeconds: WINDOW, backplane: await place.open(), ...options });

  describe('the HTTP middleware', () => {
    it('counts down in its headers, then answers 429', async () => {
      const request = await serve(limitRequests(await rule({ key: byUser })));
      for (let left = MAX - 1; left >= 0; left -= 1) {
        const answer = await request();
        expect(answer).toMatchObject({ status: 200, text: 'welcome', headers: { 'ratelimit-policy': '"default";q=5;w=60' } });
        const { r, t } = limitOf(answer);
        expect(r).toBe(left);
        expect(t > 0 && t <= WINDOW).toBe(true);
        expect(answer.headers).not.toHaveProperty('retry-after');
      }
      const { status, headers, text } = await request();
      expect([status, headers['ratelimit-policy']]).toEqual([429, '"default";q=5;w=60']);
      expect(headers['retry-after']).toMatch(/^[1-9]\d?$/);
      expect(Number(headers['retry-after'])).toBeLessThanOrEqual(WINDOW);
      expect(limitOf({ headers })).toEqual({ r: 0, t: Number(headers['retry-after']) });
      expect(headers['content-type']).toBe('application/problem+json');
      expect(JSON.parse(text)['violated-policies']).toEqual(['default']);
    });

    it.each(['fixed-window', 'sliding-window', 'token-bucket'])('lets through exactly max at once: %s', async (algorithm) => {
      // An hour: nothing comes back while this runs.
      const request = await serve(limitRequests(await rule({ key: byUser, algorithm, windowSeconds: 3600 })));
      const answers = await times(4 * MAX, () => request());
      expect(statuses(answers)).toEqual([...Array(MAX).fill(200), ...Array(3 * MAX).fill(429)]);
      expect(allowed(answers).map((answer) => limitOf(answer).r).sort()).toEqual([0, 1, 2, 3, 4]);
    });

    it('says when a bucket has room again', async () => {
      const request = await serve(limitRequests(await rule({ key: byUser, algorithm: 'token-bucket', max: 2, windowSeconds: 7200 })));
      const [{ headers }] = (await times(3, () => request())).filter(({ status }) => status === 429);
      // Half of the window, less what has passed since.
      expect(Number(headers['retry-after'])).toBeLessThanOrEqual(3600);
      expect(Number(headers['retry-after'])).toBeGreaterThan(3600 - PATIENCE_MS / 1000);
    });

    it('lets through again after the window', async () => {
      const request = await serve(limitRequests(await rule({ key: byUser, max: 1, windowSeconds: 0.3 })));
      expect((await request()).headers['ratelimit-policy']).toBe('"default";q=1;w=1');
      await until(async () => {
        const { status, headers } = await request();
        return status === 200 || expect(headers['retry-after']).toBe('1');
      }, { what: 'a window later' });
    });

    it('counts each key, and each policy, by itself', async () => {
      const backplane = await place.open();
      const policy = (name, max) => limitRequests({ name, max, backplane, key: byUser, windowSeconds: 3600 });
      const request = await serve(policy('burst', 2), policy('daily', 10));
      const [one, other] = [{ 'x-user': 'one' }, { 'x-user': 'other' }];
      expect((await request(one)).headers).toMatchObject({
        'ratelimit-policy': '"burst";q=2;w=3600, "daily";q=10;w=3600',
        ratelimit: '"burst";r=1;t=3600, "daily";r=9;t=3600',
      });
      expect(statuses(await times(3, () => request(one)))).toEqual([200, 429, 429]);
      expect(statuses(await times(3, () => request(other)))).toEqual([200, 200, 429]);
    });

    it('passes on what is wrong with a key', async () => {
      const request = await serve(limitRequests(await rule({ key: () => '\ud800' })));
      expect(await request()).toMatchObject({ status: 500, text: 'E_INVALID_KEY' });
    });
  });

  describe('the middleware of Socket.IO', () => {
    async function openClients(count, options) {
      const server = http.createServer();
      const io = new Server(server);
      const heard = [];
      io.use(limitEvents(await rule(options)));
      io.on('connection', (socket) => socket.on('say', (text, answer) => {
        heard.push(text);
        answer?.('heard');
      }));
      closers.push(() => io.close());
      const url = `http://127.0.0.1:${await listen(server)}`;
      const clients = Array.from({ length: count }, () => connect(url, { transports: ['websocket'], forceNew: true, reconnection: false }));
      closers.push(() => clients.forEach((client) => client.disconnect()));
      await Promise.all(clients.map((client) => deadline(once(client, 'connect'), PATIENCE_MS, 'a client connects')));
      return { clients, heard };
    }

    const say = (client, text) => client.timeout(PATIENCE_MS).emitWithAck('say', text);

    it('lets through exactly max of each socket, and tells', async () => {
      const { clients, heard } = await openClients(2);
      for (const client of clients) {
        const answers = await Promise.all(Array.from({ length: 3 * MAX }, (_, i) => say(client, i)));
        expect(answers.slice(0, MAX)).toEqual(Array(MAX).fill('heard'));
        const refused = { error: 'rate-limited', retryAfterMs: expect.any(Number) };
        expect(answers.slice(MAX)).toEqual(Array(2 * MAX).fill(refused));
        expect(heard.splice(0)).toEqual([0, 1, 2, 3, 4]);
        const told = deadline(once(client, 'rate-limited'), PATIENCE_MS, 'being told');
        client.emit('say', 'without an acknowledgement');
        expect(await told).toEqual([{ event: 'say', retryAfterMs: expect.any(Number) }]);
      }
      expect(heard).toEqual([]);
    });

    it('lets through exactly max of a user with several sockets', async () => {
      const { clients, heard } = await openClients(3, { key: () => 'user' });
      await Promise.all(clients.flatMap((client) => Array.from({ length: MAX }, () => say(client, 'hi'))));
      expect(heard).toHaveLength(MAX);
    });
  });
});

it('goes on when Redis goes away, in each process by itself', async () => {
  const place = await onRedis();
  closers.push(() => place.end());
  const keyPrefix = uniquePrefix();
  const openServer = async () => serve(limitRequests({ key: byUser, max: MAX, windowSeconds: 3600, backplane: await place.open({ keyPrefix }) }));
  const servers = [await openServer(), await openServer()];
  const askBoth = () => times(4 * MAX, (_, index) => servers[index % 2]());
  expect(allowed(await askBoth())).toHaveLength(MAX);
  await place.redis.kill();
  // Each knows for up to a second that the limit is exhausted; then it counts from zero.
  for (const request of servers) await until(async () => (await request()).status === 200, { what: 'counting in memory' });
  expect(allowed(await askBoth())).toHaveLength(2 * (MAX - 1));
});
