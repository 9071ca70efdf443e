'use strict';

const { spawn } = require('node:child_process');
const http = require('node:http');
const path = require('node:path');
const { forget, killWithUs } = require('../scripts/reaper');
const { deadline, freePort, startRedis, until } = require('./support');
const { cleanEnv } = require('./support/program');

const SERVER = path.join(__dirname, '..', 'examples', 'http-cache', 'server.js');
const PASSWORD = 'open-sesame';
const HOSTILE = [
  '',
  'x=1&y=0',
  'x=1&y=0&zoom=0',
  'x=NaN&y=0&zoom=1',
  'x=1e999&y=0&zoom=1',
  'x=0x1&y=0&zoom=1',
  'x=0&x=0&y=0&zoom=1',
  'x=\0&y=\ud83d\ude00&zoom=%',
  'x=<script>alert(1)</script>&y=*&zoom=1',
  `x=${'1'.repeat(5000)}&y=0&zoom=1`,
];
const PLACE = 'api/picture?x=-0.65&y=0&zoom=1';

/** The demo as a visitor starts it. */
class Demo {
  output = '';

  constructor(env) {
    this.child = spawn(process.execPath, [SERVER], { env: { ...cleanEnv(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    killWithUs(this.child.pid);
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code) => resolve(code));
    }).finally(() => forget(this.child.pid));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.output += text));
    }
  }

  async url() {
    const [, url] = await until(() => this.output.match(/(http:\/\/localhost:\d+)/), { what: 'where to look' });
    return url.replace('localhost', '127.0.0.1');
  }

  async end(signal) {
    this.child.kill(signal);
    return deadline(this.ended, 10_000, 'the end of the demo');
  }
}

/** Resolves to the response when it begins; `agent: false` leaves no connection behind. */
function request(url, method = 'GET') {
  return new Promise((resolve, reject) => {
    http.request(url, { method, agent: false }, resolve).once('error', reject).end();
  });
}

async function ask(url, method) {
  const response = await request(url, method);
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  const isJson = response.headers['content-type'] === 'application/json';
  return { status: response.statusCode, headers: response.headers, text, body: isJson ? JSON.parse(text) : null };
}

/** The events of a page that stays open, as they come. */
async function listen(url) {
  const response = await request(url);
  let text = '';
  response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
  response.on('error', () => {});
  const all = () => [...text.matchAll(/^event: (.+)\ndata: (.+)\n\n/gm)].map(([, event, data]) => [event, JSON.parse(data)]);
  const named = (name) => all().filter(([event]) => event === name).map(([, data]) => data);
  return {
    type: response.headers['content-type'],
    states: () => named('state').map(({ history }) => history[0].state),
    requests: () => [...named('requests').flat(), ...named('request')],
    history: () => named('state').at(-1).history,
    text: () => text,
    close: () => response.destroy(),
  };
}

describe('the demo', () => {
  let demo;
  let url;
  let redisPort;

  beforeEach(async () => {
    redisPort = await freePort();
    demo = new Demo({
      PORT: String(await freePort()),
      REDIS_URL: `redis://:${PASSWORD}@127.0.0.1:${redisPort}`,
    });
    url = await demo.url();
  });

  afterEach(() => demo.end('SIGKILL'));

  const picture = async (method) => (await ask(`${url}/${PLACE}`, method)).body;

  test('computes a picture once, until it is forgotten', async () => {
    const first = await picture();
    expect(first).toMatchObject({ outcome: 'miss', source: 'memory', x: -0.65, y: 0, zoom: 1 });
    expect(Buffer.from(first.image, 'base64').subarray(1, 4).toString()).toBe('PNG');
    expect(await picture()).toMatchObject({ outcome: 'hit', image: first.image, computedAt: first.computedAt });
    expect(await picture('DELETE')).toEqual({ forgotten: true, source: 'memory' });
    expect(await picture()).toMatchObject({ outcome: 'miss', image: first.image });
    expect((await ask(`${url}/api/pictures`, 'DELETE')).body).toEqual({ removed: 1, source: 'memory' });
    expect(await picture()).toMatchObject({ outcome: 'miss' });
    await until(() => /hit +memory +[\d.]+ ms +x=-0.65 y=0 zoom=1\n/.test(demo.output), { what: 'a line for the hit' });
  });

  test('computes once for all who ask at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => picture()));
    expect(answers.filter(({ outcome }) => outcome === 'miss')).toHaveLength(1);
    expect(new Set(answers.map(({ computedAt }) => computedAt)).size).toBe(1);
  });

  test('refuses what is not a place, and repeats none of it', async () => {
    for (const query of HOSTILE) {
      for (const method of ['GET', 'DELETE']) {
        const { status, headers, body } = await ask(`${url}/api/picture?${encodeURI(query)}`, method);
        expect({ query, status, type: headers['content-type'] }).toEqual({ query, status: 400, type: 'application/json' });
        expect(body.error).toMatch(/^(x|y|zoom) must be one number from [-\d.]+ to [\d.]+\.$/);
      }
    }
    expect(demo.output).not.toMatch(/script|1111/);
    expect(await picture()).toMatchObject({ outcome: 'miss' });
  });

  test('serves the page, which loads nothing from elsewhere', async () => {
    for (const name of ['', 'page.js', 'live.js', 'style.css', 'icon.svg']) {
      const { status, headers, text } = await ask(`${url}/${name}`);
      expect({ name, status }).toEqual({ name, status: 200 });
      expect(headers['content-security-policy']).toMatch(/^default-src 'none';/);
      expect(text.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|innerHTML|\/\/[a-z]+\./);
    }
    for (const name of ['constructor', 'server.js', '..%2fserver.js', 'public/page.js']) {
      expect((await ask(`${url}/${name}`)).status).toBe(404);
    }
  });

  test('says that Redis is away, there, away and there again, and recovers by itself', async () => {
    const page = await listen(`${url}/api/live`);
    expect(page.type).toBe('text/event-stream');
    await until(() => page.states().at(-1) === 'memory', { what: 'memory mode' });
    expect(await picture()).toMatchObject({ outcome: 'miss', source: 'memory' });
    await until(() => page.requests().some(({ outcome }) => outcome === 'miss'), { what: 'the request on the page' });

    const redis = await startRedis({ port: redisPort, args: ['--requirepass', PASSWORD] });
    try {
      await until(() => page.states().at(-1) === 'ready', { what: 'ready by itself' });
      // What was kept in memory has been dropped: another instance may have deleted it meanwhile.
      expect(await picture()).toMatchObject({ outcome: 'miss', source: 'redis' });
      expect(await picture()).toMatchObject({ outcome: 'hit', source: 'redis' });
      await redis.kill();
      await until(() => page.states().at(-1) === 'memory', { what: 'degraded' });
      expect(await picture()).toMatchObject({ outcome: 'miss', source: 'memory' });
      await redis.restart();
      await until(() => page.states().at(-1) === 'ready', { what: 'recovered' });
      expect(await picture()).toMatchObject({ outcome: 'miss', source: 'redis' });
    } finally {
      await redis.stop();
    }
    const states = page.history().map(({ state }) => state);
    expect(states.slice(-4)).toEqual(['ready', 'memory', 'ready', 'memory']);
    expect(demo.output).toMatch(/Recovered after [\d.]+ s without Redis\./);
    expect(page.text() + demo.output).not.toContain(PASSWORD);
    page.close();
  });

  test.each(['SIGINT', 'SIGTERM'])('%s ends it, also with a page open and a picture to compute', async (signal) => {
    const page = await listen(`${url}/api/live`);
    const unfinished = ask(`${url}/api/picture?x=-1.7688&y=0.0017&zoom=400`);
    // Behind it on the other threads, so that it has begun.
    await picture();
    expect(await demo.end(signal)).toBe(0);
    expect([200, 503]).toContain((await unfinished).status);
    page.close();
  });
});

test('takes the next port when its port is taken', async () => {
  const port = await freePort();
  const other = http.createServer().listen(port, '127.0.0.1');
  const demo = new Demo({ PORT: String(port), REDIS_URL: 'redis://127.0.0.1:1' });
  try {
    expect(Number(new URL(await demo.url()).port)).toBeGreaterThan(port);
    expect(await demo.end('SIGINT')).toBe(0);
  } finally {
    await demo.end('SIGKILL');
    other.close();
  }
});

test('says what is wrong with PORT', async () => {
  const demo = new Demo({ PORT: 'x' });
  expect(await deadline(demo.ended, 10_000, 'the end')).toBe(1);
  expect(demo.output).toMatch(/^PORT must be a whole number/);
});

test('says what is wrong with REDIS_URL, and works from memory', async () => {
  const demo = new Demo({ PORT: '0', REDIS_URL: `http://user:${PASSWORD}@h` });
  try {
    const url = await demo.url();
    expect((await ask(`${url}/${PLACE}`)).body).toMatchObject({ outcome: 'miss', source: 'memory' });
    expect(demo.output).toMatch(/REDIS_URL is not a valid Redis URL/);
    expect(demo.output).not.toContain(PASSWORD);
    expect(await demo.end('SIGINT')).toBe(0);
  } finally {
    await demo.end('SIGKILL');
  }
});
