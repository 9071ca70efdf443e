'use strict';

const { until } = require('./support');
const { ROOM, areGone, list, say, textsOf, useChat, visit } = require('./support/chat');

/** A life that is not heard of for 15 s has ended; told 2 s later. */
const LIFE_MS = 30_000;

const start = useChat();

async function counted(url, name) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(text.match(new RegExp(`^${name} (\\d+)$`, 'm'))[1]);
}

async function countedOn(urls, name) {
  const counts = await Promise.all(urls.map((url) => counted(url, name)));
  return counts.reduce((sum, count) => sum + count);
}

/** How many messages have been analysed, when none waits for it. */
async function analysed(urls) {
  const isWaiting = async () => (await countedOn(urls, 'chat_analyses_waiting')) > 0;
  await until(async () => !(await isWaiting()), { what: 'all is analysed', timeoutMs: 20_000, everyMs: 50 });
  return countedOn(urls, 'chat_analyses_total');
}

describe('two instances with a Redis of the demo', () => {
  let demo;
  let urls;
  let survivingUrl;

  beforeAll(async () => {
    demo = start({});
    urls = await demo.urls();
  });

  /** One on each instance. Who is the same in two tests may have said too much. */
  const visitBoth = (...names) => Promise.all(names.map((name, i) => visit(urls[i], name)));

  test('see each other come, type, talk and go', async () => {
    // One after the other: who is there already does not join.
    const ada = await visit(urls[0], 'Ada');
    const grace = await visit(urls[1], 'Grace');
    expect(ada.hello).toMatchObject({ ok: true, user: { id: 'ada', name: 'Ada' }, instance: 'A', redis: 'ok', canControlRedis: true });
    expect(grace.hello.others).toEqual([{ instance: 'A', url: urls[0].replace('127.0.0.1', 'localhost') }]);
    expect(ada.hello.rooms).toContainEqual({ id: ROOM, name: 'Foyer', topic: expect.any(String) });
    await ada.hears('presence', ({ type, person }) => type === 'join' && person.userId === 'grace' && person.instance === 'B');
    await grace.hears('presence', ({ type, person }) => type === 'join' && person.userId === 'grace');
    expect(grace.entered.people).toContainEqual({ userId: 'grace', name: 'Grace', sockets: [{ socketId: grace.id, instance: 'B' }] });

    ada.socket.emit('typing', { roomId: ROOM, isTyping: true });
    expect(await grace.hears('typing')).toEqual({ userId: 'ada', name: 'Ada', isTyping: true });
    const message = await say(ada, '  Hello, Grace! ');
    expect(message).toMatchObject({ roomId: ROOM, parentId: null, userId: 'ada', name: 'Ada', text: 'Hello, Grace!', editedAt: null, replies: 0 });
    for (const visitor of [ada, grace]) {
      expect(await visitor.hears('message')).toEqual({ message });
    }
    grace.leave();
    await ada.hears('presence', ({ type, person }) => type === 'leave' && person.socketId === grace.id);
  });

  test('leave the room that was entered before', async () => {
    const [ada, grace] = await visitBoth('Leaver', 'Stayer');
    await grace.ask('enter', { roomId: 'midsummer' });
    await ada.hears('presence', ({ type, person }) => type === 'leave' && person.socketId === grace.id);
    const message = await say(ada, 'Is anybody here?');
    expect((await grace.ask('list', { roomId: ROOM })).messages.at(-1).id).toBe(message.id);
    expect(grace.all('message')).toEqual([]);
  });

  test('a reply belongs to a message of its room', async () => {
    const [ada, grace] = await visitBoth('Author', 'Replier');
    const parent = await say(ada, 'Who is right?');
    const reply = await say(grace, 'I am.', { parentId: parent.id });
    expect(await ada.ask('thread', { roomId: ROOM, parentId: parent.id })).toMatchObject({
      ok: true,
      parent: { id: parent.id, replies: 1 },
      messages: [{ id: reply.id, parentId: parent.id, text: 'I am.' }],
    });
    const { messages } = await list(grace);
    expect(messages.find(({ id }) => id === parent.id).replies).toBe(1);
    expect(messages.map(({ id }) => id)).not.toContain(reply.id);
    const wrong = [{ roomId: 'midsummer', parentId: parent.id }, { roomId: ROOM, parentId: reply.id }, { roomId: ROOM, parentId: 999_999 }];
    for (const fields of wrong) {
      expect(await ada.ask('say', { ...fields, text: 'Hm.' })).toMatchObject({ ok: false, code: 'NOT_FOUND' });
    }
  });

  test('an edit on one is in the next list of the other at once', async () => {
    const [ada, grace] = await visitBoth('Editor', 'Reader');
    const { id } = await say(ada, 'first');
    for (const text of ['second', 'third', 'fourth']) {
      await list(grace);
      expect((await list(grace)).source).toBe('cache');
      expect(await ada.ask('edit', { messageId: id, text })).toMatchObject({ ok: true, message: { id, text, editedAt: expect.any(Number) } });
      expect((await list(grace)).messages.at(-1)).toMatchObject({ id, text });
      await grace.hears('edited', ({ message }) => message.text === text);
    }
    expect(await grace.ask('edit', { messageId: id, text: 'mine' })).toMatchObject({ ok: false, code: 'NOT_FOUND' });
    expect(await ada.ask('edit', { messageId: 1, text: 'a better play' })).toMatchObject({ ok: false, code: 'NOT_FOUND' });
  });

  test('a search finds what is there, letter by letter', async () => {
    const [ada, grace] = await visitBoth('Writer', 'Finder');
    const find = async (text) => (await grace.ask('search', { roomId: ROOM, text })).messages.map((message) => message.text);
    expect(await find('100%_')).toEqual([]);
    await say(ada, 'I am 100%_sure.');
    await say(ada, 'I am 100 times sure.');
    expect(await find('100%_SURE')).toEqual(['I am 100%_sure.']);
  });

  test('who says too much is told when to go on, on whichever instance', async () => {
    const both = await Promise.all(urls.map((url) => visit(url, 'Chatterbox')));
    const answers = await Promise.all(Array.from({ length: 24 }, (_, i) => both[i % 2].ask('say', { roomId: ROOM, text: `${i}` })));
    expect(answers.filter(({ ok }) => ok).length).toBeGreaterThanOrEqual(5);
    const refused = answers.filter(({ ok }) => !ok);
    expect(refused.length).toBeGreaterThan(0);
    for (const answer of refused) {
      expect(answer).toEqual({ ok: false, code: 'RATE_LIMITED', limit: 'user', message: expect.any(String), retryAfterMs: expect.any(Number) });
      expect(answer.retryAfterMs).toBeGreaterThan(0);
    }
  });

  test('a message is analysed once, and everybody is told once', async () => {
    const [ada, grace] = await visitBoth('Analyst', 'Onlooker');
    const before = await analysed(urls);
    const message = await say(ada, 'All the world is a stage, is it not?');
    const { analysis } = await grace.hears('analysis', ({ messageId }) => messageId === message.id);
    expect(analysis).toMatchObject({ instance: 'A', words: 9, closest: { play: 'As You Like It', speaker: 'Jaques' } });
    // What comes after it has come, so a second one would have, too.
    const marker = await say(ada, 'Indeed it is.');
    for (const visitor of [ada, grace]) {
      await visitor.hears('analysis', ({ messageId }) => messageId === marker.id);
      expect(visitor.all('analysis').filter(({ messageId }) => messageId === message.id)).toHaveLength(1);
    }
    expect(await analysed(urls)).toBe(before + 2);
    expect((await list(grace)).messages.find(({ id }) => id === message.id).analysis).toEqual(analysis);
  });

  test('what both read at once is still analysed once', async () => {
    const before = await analysed(urls);
    const room = 'much-ado';
    const both = await Promise.all(urls.map((url, i) => visit(url, `Reader ${i}`, room)));
    const { messages } = both[0].entered;
    const distinct = new Set(messages.map(({ userId, text }) => `${userId}: ${text.toLowerCase()}`));
    expect(await analysed(urls)).toBe(before + distinct.size);
    for (const visitor of both) {
      expect((await list(visitor, room)).messages.map(({ analysis }) => analysis)).not.toContain(null);
    }
  });

  test('tell of themselves', async () => {
    const ada = await visit(urls[0], 'Ada');
    expect(await ada.ask('watchStats', { on: true })).toEqual({ ok: true });
    const stats = await ada.hears('stats');
    expect(stats).toMatchObject({ instance: 'A', callsPerSecond: expect.any(Number), health: { status: 'ok' }, metrics: { connection: { state: 'ready' } } });
    expect(stats.metrics.functions['queryCache.getOrSet'].calls).toBeGreaterThan(0);
    expect(await ada.ask('watchStats', { on: false })).toEqual({ ok: true });
    expect(await (await fetch(`${urls[1]}/health`)).json()).toMatchObject({ status: 'ok' });
    expect(await counted(urls[0], 'redis_backplane_up')).toBe(1);
  });

  test('go on by themselves without Redis, and together when it is back', async () => {
    const [ada, grace] = await visitBoth('Alice', 'Bob');
    expect(await ada.ask('redis', { run: false })).toEqual({ ok: true });
    for (const visitor of [ada, grace]) {
      expect(await visitor.hears('redis')).toEqual({ status: 'degraded', since: expect.any(Number), reason: expect.any(String) });
    }
    const neighbour = await visit(urls[0], 'Neighbour');
    expect(neighbour.hello.redis).toBe('degraded');
    const said = [await say(ada, 'on A alone'), await say(grace, 'on B alone')];
    await neighbour.hears('message', ({ message }) => message.id === said[0].id);
    expect(grace.all('message').map(({ message }) => message.id)).not.toContain(said[0].id);

    expect(await grace.ask('redis', { run: true })).toEqual({ ok: true });
    for (const visitor of [ada, grace]) await visitor.hears('redis', ({ status }) => status === 'ok');
    for (const visitor of [ada, grace]) expect((await textsOf(visitor)).slice(-2)).toEqual(['on A alone', 'on B alone']);
    await until(() => {
      ada.socket.emit('typing', { roomId: ROOM, isTyping: true });
      return grace.all('typing').some(({ userId }) => userId === ada.hello.user.id);
    }, { what: 'B hears of A', everyMs: 250 });
    const message = await say(ada, 'together');
    await grace.hears('message', (heard) => heard.message.id === message.id);
    await grace.hears('presence', ({ type, person }) => type === 'join' && person.userId === 'neighbour');
    expect((await list(grace)).messages.at(-1).id).toBe(message.id);
  });

  test('people of one that was killed leave, and the other goes on', async () => {
    const people = await visitBoth('Lost', 'Found');
    const victim = demo.descendants().find(({ command }) => command.includes('server.js'));
    process.kill(victim.pid, 'SIGKILL');
    const [, name] = await demo.says(/Instance (A|B) has ended \(SIGKILL\)/);
    const [survivor, lost] = name === 'A' ? people.reverse() : people;
    survivingUrl = name === 'A' ? urls[1] : urls[0];
    const other = await visit(survivingUrl, 'Third');
    expect(other.hello.others).toEqual([]);
    const left = ({ type, person }) => type === 'leave' && person.socketId === lost.id;
    await survivor.hears('presence', left, { timeoutMs: LIFE_MS });
    expect((await survivor.ask('enter', { roomId: ROOM })).people.map(({ userId }) => userId)).not.toContain(lost.hello.user.id);
    const message = await say(survivor, 'Anybody left?');
    await other.hears('message', (heard) => heard.message.id === message.id);
  }, 2 * LIFE_MS);

  test('Ctrl-C ends everything, also with pages open', async () => {
    await visit(survivingUrl, 'Last');
    const all = demo.descendants();
    expect(all.some(({ command }) => command.includes('redis-server'))).toBe(true);
    expect(await demo.interrupt()).toBe(0);
    await areGone(all);
    expect(demo.output).not.toMatch(/Error|at .*\.js:\d+/);
  });
});

test('kill -9 of the demo leaves no Redis either', async () => {
  const demo = start({});
  await demo.urls();
  const all = demo.descendants();
  expect(all.filter(({ command }) => /server\.js|redis-server/.test(command))).toHaveLength(3);
  await demo.kill('SIGKILL');
  await areGone(all);
});

test('Ctrl-C in the middle of starting leaves nothing', async () => {
  const demo = start({});
  const all = await until(() => {
    const found = demo.descendants();
    return found.some(({ command }) => command.includes('server.js')) && found;
  }, { what: 'an instance starts' });
  expect(await demo.interrupt()).toBe(0);
  await areGone(all);
  expect(demo.output).not.toMatch(/Error|Look|ended|at .*\.js:\d+/);
});

test.each([
  ['demo.js', 'PORT', 'x', /^PORT must be/],
  ['server.js', 'PORT', '70000', /^PORT must be/],
  ['server.js', 'ROOM_LIMIT', '-1', /^ROOM_LIMIT must be/],
])('%s says what is wrong with %s', async (program, name, value, message) => {
  const failed = start({ [name]: value }, program);
  expect(await failed.ended).toBe(1);
  await failed.says(message);
});

test('server.js says what is wrong with REDIS_URL, and works from memory', async () => {
  const server = start({ REDIS_URL: 'http://user:open-sesame@h' }, 'server.js');
  await server.says(/REDIS_URL is not a valid Redis URL/);
  const [url] = await server.urls();
  expect((await fetch(url)).status).toBe(200);
  expect(server.output).not.toMatch('open-sesame');
  expect(await server.interrupt()).toBe(0);
});
