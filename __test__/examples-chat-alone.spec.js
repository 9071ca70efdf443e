'use strict';

const EventEmitter = require('node:events');
const { answer } = require('../examples/chat/answers');
const { freePort } = require('./support');
const { ROOM, Visitor, areGone, list, say, textsOf, useChat, visit } = require('./support/chat');

const start = useChat();

/** Whatever a program may send that is no page of ours. */
const HOSTILE = [
  undefined, null, 0, -1, NaN, true, '', 'x', '\0', '\ud800', [], [[]], {}, [{}], Buffer.from('x'),
  { roomId: ROOM }, { roomId: null, text: 'x' }, { roomId: [ROOM], text: 'x' }, { roomId: '__proto__', text: 'x' }, { roomId: 'constructor', text: 'x' },
  { roomId: ROOM, text: 7 }, { roomId: ROOM, text: '' }, { roomId: ROOM, text: ' \n ' }, { roomId: ROOM, text: 'a\0b' }, { roomId: ROOM, text: '\udc00' },
  { roomId: ROOM, text: { length: 1, trim: 'x' } }, { roomId: ROOM, text: 'x'.repeat(2001) }, { roomId: ROOM, text: 'x', parentId: '1 OR 1=1' },
  { roomId: ROOM, text: 'x', parentId: 1e300 }, { roomId: ROOM, text: 'x', parentId: -1 }, { roomId: ROOM, parentId: {} }, { messageId: 'x', text: 'x' },
  { messageId: 0.5, text: 'x' }, { name: '' }, { name: {} }, { name: '---' }, { name: '\u202e\u0000' }, { name: 'x'.repeat(33) }, { run: 'false' }, { on: 1 },
  { __proto__: { roomId: ROOM }, text: 'x' }, JSON.parse('{"__proto__":{"roomId":"foyer"},"text":"x"}'),
];
const REQUESTS = ['hello', 'enter', 'list', 'thread', 'say', 'edit', 'search', 'redis', 'watchStats'];
const REFUSALS = ['NOT_FOUND', 'INVALID_NAME', 'INVALID_TEXT', 'INVALID_VALUE'];
/** That are well-formed after all. */
const inRoom = (payload) => Object.hasOwn(payload, 'roomId') && payload.roomId === ROOM;
const FINE = { enter: inRoom, list: inRoom, search: (payload) => inRoom(payload) && payload.text === 'x' };

describe('one instance without Redis', () => {
  let demo;
  let url;

  beforeAll(async () => {
    // The package would find one on its usual port.
    demo = start({ PATH: '/nowhere', REDIS_PORT: String(await freePort()), USER_LIMIT: '1000', ROOM_LIMIT: '3' });
    const urls = await demo.urls();
    expect(urls).toHaveLength(1);
    [url] = urls;
  });

  test('works, and says so', async () => {
    const [ada, grace] = await Promise.all([visit(url, 'Ada'), visit(url, 'Grace')]);
    expect(ada.hello).toMatchObject({ instance: 'A', others: [], redis: 'degraded', canControlRedis: false });
    const message = await say(ada, 'Hello, Grace!');
    expect(await grace.hears('message')).toEqual({ message });
    await grace.hears('analysis', ({ messageId }) => messageId === message.id);
    expect(await textsOf(grace)).toEqual(['Hello, Grace!']);
    expect(await ada.ask('redis', { run: true })).toMatchObject({ ok: false, code: 'NOT_OURS' });
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: 'degraded' });
    grace.leave();
    await ada.hears('presence', ({ type, person }) => type === 'leave' && person.socketId === grace.id);
  });

  test('a room has a limit, too', async () => {
    const ada = await visit(url, 'Ada', 'midsummer');
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => ada.ask('say', { roomId: 'midsummer', text: `${i}` })));
    const refused = answers.find(({ ok }) => !ok);
    expect(refused).toMatchObject({ code: 'RATE_LIMITED', limit: 'room' });
    expect(refused.retryAfterMs).toBeGreaterThan(0);
  });

  test('nobody is heard before hello', async () => {
    const stranger = new Visitor(url, 'Stranger');
    const asked = { roomId: ROOM, text: 'x', messageId: 1, parentId: 1, run: false };
    for (const name of ['enter', 'list', 'thread', 'say', 'edit', 'search', 'redis']) {
      expect({ name, ...(await stranger.ask(name, asked)) }).toMatchObject({ name, ok: false, code: 'NO_NAME' });
    }
    stranger.leave();
  });

  test.each(REQUESTS)('what is not well-formed is refused: %s', async (name) => {
    const mallory = await visit(url, 'Mallory');
    for (const payload of HOSTILE) {
      const answer = await mallory.ask(name, payload);
      const isFine = payload && FINE[name]?.(payload);
      expect({ payload, code: answer.code }).toEqual({ payload, code: isFine ? undefined : expect.stringMatching(`^(${REFUSALS.join('|')})$`) });
    }
  });

  test('who asks for no answer, sends noise or far too much hurts nobody', async () => {
    const [ada, mallory] = await Promise.all([visit(url, 'Ada'), visit(url, 'Mallory')]);
    for (const name of [...REQUESTS, 'typing', 'error', 'toString', '__proto__', 'constructor', 'presence']) {
      for (const payload of HOSTILE) mallory.socket.emit(name, payload, payload);
    }
    for (const noise of ['', '4', '42', '42[', '42[]', '42["say"', '451-["say",{"_placeholder":true,"num":9}]', '2probe', '9']) {
      const broken = await visit(url, 'Mallory');
      broken.socket.io.engine.write(noise);
      broken.leave();
    }
    mallory.socket.emit('say', { roomId: ROOM, text: 'x'.repeat(1024 * 1024) });
    await mallory.gone;
    expect((await list(ada)).messages.map(({ name }) => name)).not.toContain('Mallory');
    expect(demo.output).not.toMatch(/Error|at .*\.js:\d+/);
  });

  test('serves its libraries, and to pages of its own alone', async () => {
    for (const file of ['vendor/uplot/uPlot.esm.js', 'vendor/uplot/uPlot.iife.min.js', 'vendor/uplot/uPlot.min.css', 'socket.io/socket.io.esm.min.js']) {
      expect({ file, status: (await fetch(`${url}/${file}`)).status }).toEqual({ file, status: 200 });
    }
    for (const file of ['server.js', 'vendor/uplot/uPlot.cjs.js', '..%2fserver.js', 'vendor/uplot/..%2f..%2fpackage.json', '%']) {
      const response = await fetch(`${url}/${file}`);
      expect({ file, isThere: response.ok }).toEqual({ file, isThere: false });
      expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
    }
    const handshake = (origin) => fetch(`${url}/socket.io/?EIO=4&transport=polling`, { headers: { origin } });
    expect((await handshake('http://elsewhere.example')).status).toBe(403);
    expect((await handshake('null')).status).toBe(403);
    expect((await handshake(url)).status).toBe(200);
  });

  test('kill -9 of the demo leaves nothing', async () => {
    const all = demo.descendants();
    expect(all.some(({ command }) => command.includes('server.js'))).toBe(true);
    await demo.kill('SIGKILL');
    await areGone(all);
  });
});

test('who asks for more than can be answered at once is told, and hurts nobody else', async () => {
  const [socket, other] = [new EventEmitter(), new EventEmitter()];
  let finish;
  const slow = () => new Promise((resolve) => (finish = resolve));
  for (const each of [socket, other]) answer(each, { slow });
  const ask = (each) => new Promise((resolve) => each.emit('slow', {}, resolve));
  for (let i = 0; i < 31; i += 1) ask(socket);
  const last = ask(socket);
  expect(await ask(socket)).toMatchObject({ ok: false, code: 'BUSY' });
  finish();
  expect(await last).toEqual({ ok: true });
  const next = ask(socket);
  finish();
  expect(await next).toEqual({ ok: true });
  const others = ask(other);
  finish();
  expect(await others).toEqual({ ok: true });
});
