'use strict';

const { until } = require('./support');
const { useStage } = require('./support/stage');

const LARGE = 'x'.repeat(4 << 20);
const BEGUN = 1 << 20;

describe('raw commands beside a large one', () => {
  const stage = useStage();

  /** A large command is under way, and comes to no end before `flow`. */
  async function opened(direction) {
    const stood = await stage.ready({ commandTimeoutMs: 10_000 });
    const { redis, proxy, backplane } = stood;
    await redis.command('SET', 'small', 'value');
    await redis.command('SET', 'large', LARGE);
    expect(await backplane.call('PING')).toEqual({ value: 'PONG' });
    const [, bulk] = proxy.links;
    let moved = 0;
    const hear = (chunk) => {
      moved += chunk.length;
      if (moved > BEGUN) bulk.flow({ request: direction !== 'request', reply: direction !== 'reply' });
    };
    if (direction === 'request') proxy.onRequest(hear);
    else proxy.onReply(hear);
    const order = [];
    const call = (...words) =>
      backplane.call(...words).then((answer) => {
        order.push(words.slice(0, 2).join(' '));
        return answer.value;
      });
    const large = direction === 'request' ? call('SET', 'written', LARGE) : call('GET', 'large');
    await until(() => moved > BEGUN, { what: 'the large command is under way' });
    const flow = () => {
      moved = -Infinity;
      bulk.flow({ request: true, reply: true });
    };
    return { ...stood, call, large, order, flow };
  }

  it.each(['request', 'reply'])('small ones of other keys do not wait for its %s', async (direction) => {
    const { backplane, call, large, order, flow } = await opened(direction);
    expect(await call('GET', 'small')).toBe('value');
    expect(await call('GET', 'absent')).toBeNull();
    expect(await call('SET', 'other', '1')).toBe('OK');
    expect(await call('INCR', 'other')).toBe(2);
    expect(await call('PING')).toBe('PONG');
    expect(await backplane.call('INCR', 'small')).toEqual({ code: 'E_REPLY' });
    expect(order.some((name) => name.endsWith('large') || name.endsWith('written'))).toBe(false);
    flow();
    await large;
  });

  it('those of its key, and those that may touch any, come behind it', async () => {
    const { call, large, order, flow } = await opened('request');
    const behind = [call('STRLEN', 'written'), call('APPEND', 'written', '!'), call('DEL', 'written', 'other')];
    // Behind what may touch any key, whatever key it is.
    behind.push(call('SET', 'other', '1'));
    expect(await call('PING')).toBe('PONG');
    expect(order).toEqual(['PING']);
    flow();
    expect(await Promise.all([large, ...behind])).toEqual(['OK', LARGE.length, LARGE.length + 1, 1, 'OK']);
  });

  it('what is called of one key is carried out in order, whichever way each goes', async () => {
    const { call, large, flow } = await opened('request');
    const calls = [];
    for (let i = 0; i < 50; i += 1) {
      calls.push(call('INCR', 'n'));
      if (i % 10 === 3) calls.push(call('GETSET', 'n', String(i * 100)));
    }
    flow();
    const answers = (await Promise.all([large, ...calls])).slice(1);
    let n = 0;
    const expected = [];
    for (let i = 0; i < 50; i += 1) {
      n += 1;
      expected.push(n);
      if (i % 10 === 3) {
        expected.push(String(n));
        n = i * 100;
      }
    }
    expect(answers).toEqual(expected);
  });

  it('a string that is large itself waits for it, and nothing for that', async () => {
    const { redis, call, large, order, flow } = await opened('request');
    await redis.command('SET', 'another', LARGE);
    const another = call('GET', 'another');
    expect(await call('GET', 'small')).toBe('value');
    expect(order).toEqual(['GET small']);
    flow();
    expect(await large).toBe('OK');
    expect(await another).toBe(LARGE);
  });
});
