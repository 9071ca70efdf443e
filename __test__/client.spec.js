'use strict';

const { startProxy, uniquePrefix, until } = require('./support');
const { outcomeOf } = require('./support/deferred');
const { NOBODY, onMemory, onRedis, silent } = require('./support/places');
const { createBackplane } = require('..');

let place;
let away;

beforeAll(async () => {
  place = await onRedis();
  away = await onMemory();
});

afterAll(async () => {
  await place.end();
  await away.end();
});

afterEach(async () => {
  await place.clear();
  await away.clear();
});

const codeOf = async (promise) => (await outcomeOf(promise)).code;

describe('the handle', () => {
  test('is there at once, always the same, and leads to ready', async () => {
    const backplane = place.openCold();
    const client = backplane.getClient();
    expect(['wait', 'connecting']).toContain(client.status);
    expect(backplane.getClient()).toBe(client);
    await client.connect();
    expect([client.status, backplane.isRedisAvailable()]).toEqual(['ready', true]);
    expect(backplane.getClient()).toBe(client);
    await client.connect();
  });

  test('begins to connect by itself', async () => {
    const client = place.openCold().getClient();
    await until(() => client.status === 'ready', { what: 'ready without a call' });
  });

  test('so does isRedisAvailable', async () => {
    const backplane = place.openCold();
    expect(backplane.isRedisAvailable()).toBe(false);
    await until(() => backplane.isRedisAvailable(), { what: 'ready without a call' });
  });

  test('is there while Redis is away, and says so', async () => {
    const client = away.openCold().getClient();
    expect(await codeOf(client.connect())).toBe('E_UNAVAILABLE');
    expect(client.status).toBe('reconnecting');
    for (const call of [client.ping(), client.call('GET', 'k'), client.sendCommand(['GET', 'k']), client.connect()]) {
      expect(await codeOf(call)).toBe('E_UNAVAILABLE');
    }
  });

  test('is there after close, ended', async () => {
    const backplane = await place.open();
    const client = backplane.getClient();
    await backplane.close();
    expect([client.status, backplane.getClient().status, backplane.isRedisAvailable()]).toEqual(['end', 'end', false]);
    for (const call of [client.ping(), client.call('GET', 'k'), client.sendCommand(['GET', 'k']), client.connect()]) {
      expect(await codeOf(call)).toBe('E_CLOSED');
    }
  });

  test('is there for a backplane that was closed unused', async () => {
    const backplane = createBackplane({ url: NOBODY, logger: silent });
    await backplane.close();
    expect(backplane.getClient().status).toBe('end');
    expect(await codeOf(backplane.getClient().ping())).toBe('E_CLOSED');
  });

  test.each(['quit', 'disconnect'])('%s closes the backplane', async (how) => {
    const backplane = await place.open();
    const client = backplane.getClient();
    const ended = new Promise((resolve) => client.once('end', resolve));
    const answer = client[how]();
    expect(await answer).toBe(how === 'quit' ? 'OK' : undefined);
    await ended;
    expect(client.status).toBe('end');
    expect(await codeOf(backplane.cacheGet('k'))).toBe('E_CLOSED');
    expect(await client.quit()).toBe('OK');
    expect(client.disconnect()).toBeUndefined();
  });
});

describe('commands', () => {
  let client;
  let key;

  beforeEach(async () => {
    client = (await place.open()).getClient();
    key = uniquePrefix();
  });

  test('ping', async () => expect(await client.ping()).toBe('PONG'));

  test('every kind of reply', async () => {
    expect(await client.call('SET', key, 'é😀')).toBe('OK');
    expect(await client.call('GET', key)).toBe('é😀');
    expect(await client.call('get', `${key}absent`)).toBeNull();
    expect(await client.call('STRLEN', key)).toBe(6);
    expect(await client.call('EVAL', "return {1, 'a', {}, false, {'b', {2}}}", 0)).toEqual([1, 'a', [], null, ['b', [2]]]);
    expect(await client.call('KEYS', `${key}nothing*`)).toEqual([]);
    expect(await client.call('ECHO', '')).toBe('');
  });

  test('an error inside a reply is its text, and disturbs no neighbour', async () => {
    const script = "return {'before', redis.error_reply('OWN error'), 'after'}";
    const answers = await Promise.all([client.call('EVAL', script, 0), client.call('ECHO', 'next')]);
    expect(answers).toEqual([['before', 'OWN error', 'after'], 'next']);
  });

  test('words of every kind reach the server as they are, without the prefix', async () => {
    const bytes = Buffer.from([0, 0xff, 0x0d, 0x0a]);
    await client.call('RPUSH', key, 'text', 12, -1.5, 1e21, bytes, new Uint8Array(bytes), '', 'é\0', bytes.subarray(1, 2));
    expect(await place.redis.commandBuffer('LRANGE', key, 0, -1)).toEqual([
      Buffer.from('text'), Buffer.from('12'), Buffer.from('-1.5'), Buffer.from('1e+21'), bytes, bytes, Buffer.alloc(0), Buffer.from('é\0'),
      Buffer.from([0xff]),
    ]);
    expect(await client.sendCommand(['LLEN', key])).toBe(9);
    expect(await client.sendCommand(['lindex', key, Buffer.from('0')])).toBe('text');
  });

  test('a thousand at once are answered, each its own', async () => {
    const numbers = Array.from({ length: 1000 }, (_, i) => i);
    expect(await Promise.all(numbers.map((i) => client.call('ECHO', i)))).toEqual(numbers.map(String));
  });

  test('many megabytes go there and back', async () => {
    const large = 'x'.repeat(16 << 20);
    await client.call('SET', key, large);
    expect((await client.call('GET', key)) === large).toBe(true);
  });

  test('large replies of every kind come beside small ones, each its own', async () => {
    const texts = ['x'.repeat(1 << 20), 'é"\\\n'.repeat(1 << 17), '\0'.repeat(1 << 18)];
    const items = Array.from({ length: 20_000 }, (_, i) => `item ${i} ü`);
    await client.call('RPUSH', key, ...items);
    const wanted = [...texts, items, 'small', 20_000];
    const commands = [...texts.map((text) => ['ECHO', text]), ['LRANGE', key, 0, -1], ['ECHO', 'small'], ['LLEN', key]];
    const rounds = Array.from({ length: 5 }, () => Promise.all(commands.map((words) => client.call(...words))));
    for (const answers of await Promise.all(rounds)) {
      for (const [i, answer] of answers.entries()) expect(JSON.stringify(answer) === JSON.stringify(wanted[i])).toBe(true);
    }
  });

  test.each([
    [['NOSUCHCOMMAND']],
    [['GET']],
    [['GET', 'a', 'b']],
    [['EVAL', 'this is no lua', 0]],
    [['EVAL', "return redis.error_reply('OWN error')", 0]],
    [['CONFIG', 'SET', 'nosuch', 'x']],
  ])('%j is refused in the words of the server', async (words) => {
    const { code, error } = await outcomeOf(client.call(...words));
    expect([code, error instanceof Error]).toEqual(['E_REPLY', true]);
    const said = await place.redis.command(...words).catch((reply) => reply.message);
    expect(error.message.trimEnd()).toBe(said.trimEnd());
    expect(client.status).toBe('ready');
  });

  test('a command on a key of another type is refused, the next one works', async () => {
    await client.call('RPUSH', key, 'v');
    const answers = await Promise.all([outcomeOf(client.call('GET', key)), client.call('LLEN', key)]);
    expect([answers[0].code, answers[1]]).toEqual(['E_REPLY', 1]);
  });

  test.each([
    'BLPOP k 0', 'brpop k 0', 'BLMOVE a b LEFT LEFT 0', 'BLMPOP 0 1 k LEFT', 'BRPOPLPUSH a b 0', 'BZPOPMIN k 0', 'BZPOPMAX k 0', 'BZMPOP 0 1 k MIN',
    'XREAD BLOCK 0 STREAMS s $', 'xread count 1 block 0 streams s $', 'XREADGROUP GROUP g c BLOCK 0 STREAMS s >', 'WAIT 1 0', 'WAITAOF 1 0 0',
    'SUBSCRIBE c', 'PSUBSCRIBE c', 'SSUBSCRIBE c', 'UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUNSUBSCRIBE', 'MULTI', 'EXEC', 'DISCARD', 'WATCH k', 'UNWATCH',
    'SELECT 1', 'AUTH x', 'HELLO 3', 'MONITOR', 'RESET', 'QUIT', 'SYNC', 'PSYNC ? -1', 'REPLCONF x', 'READONLY', 'READWRITE', 'ASKING',
    'CLIENT REPLY OFF', 'client reply skip', 'CLIENT TRACKING ON', 'CLIENT CACHING YES', 'mUlTi', 'CLIENT SETNAME x', 'client setinfo lib-name x',
    'CLIENT NO-EVICT ON', 'CLIENT NO-TOUCH ON', 'CLIENT PAUSE 100', 'CLIENT KILL TYPE normal SKIPME no', 'SCRIPT DEBUG YES', 'script debug sync',
    'DEBUG SLEEP 0', 'SHUTDOWN NOSAVE', 'FAILOVER ABORT', 'CLIENT CAPA redirect', 'CLIENT IMPORT-SOURCE ON',
  ])('%s is not sent', async (line) => {
    const words = line.split(' ');
    expect(await Promise.all([codeOf(client.call(...words)), codeOf(client.sendCommand(words))])).toEqual(['E_UNSUPPORTED', 'E_UNSUPPORTED']);
    expect(await client.ping()).toBe('PONG');
  });

  test('no command that the server says may block is sent', async () => {
    const commands = await place.redis.command('COMMAND');
    const blocking = commands.filter(([, , flags]) => flags.includes('blocking')).map(([name]) => name);
    expect(blocking.length).toBeGreaterThan(5);
    const codes = await Promise.all(blocking.map((name) => codeOf(client.call(name, 'BLOCK', '1', 'STREAMS', key, '$'))));
    expect(codes).toEqual(blocking.map(() => 'E_UNSUPPORTED'));
  });

  test.each(['CLIENT GETNAME', 'CLIENT ID', 'CLIENT LIST', 'CLIENT KILL ID 999999999', 'CLIENT UNPAUSE', 'SCRIPT EXISTS x'])('%s is sent', async (line) => {
    expect(await codeOf(client.call(...line.split(' ')))).toBeUndefined();
  });

  test.each([
    ['nothing', []], ['an empty name', ['']], ['null', [null]], ['an object', ['SET', key, {}]], ['undefined', ['GET', undefined]],
    ['a number as name', [5]], ['a symbol', ['GET', Symbol('k')]], ['a function', ['GET', () => 'k']], ['a boolean', ['GET', true]],
    ['a BigInt', ['GET', 1n]], ['a list as name', [['GET', 'k']]],
  ])('%s is no command', async (_what, words) => {
    let promise;
    expect(() => {
      promise = client.call(...words);
    }).not.toThrow();
    const { code, error } = await outcomeOf(promise);
    expect([code, error instanceof TypeError]).toEqual(['E_INVALID_COMMAND', true]);
  });

  test.each([['undefined', undefined], ['null', null], ['a text', 'PING'], ['an object', {}], ['an empty list', []], ['a list of null', [null]]])(
    'sendCommand of %s is no command',
    async (_what, words) => {
      const { code, error } = await outcomeOf(client.sendCommand(words));
      expect([code, error instanceof TypeError]).toEqual(['E_INVALID_COMMAND', true]);
    }
  );

  test('a command that is not answered rejects, and the others go on', async () => {
    const proxy = await startProxy(place.redis.port);
    const slow = await place.open({ url: proxy.url, commandTimeoutMs: 200 });
    await slow.getClient().ping();
    proxy.stallReplies();
    expect(['E_TIMEOUT', 'E_UNAVAILABLE']).toContain(await codeOf(slow.getClient().call('GET', key)));
    proxy.flow();
    await until(async () => (await codeOf(slow.getClient().ping())) === undefined, { what: 'answered again' });
    proxy.close();
  });
});
