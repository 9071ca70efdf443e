'use strict';

const { outcomeOf } = require('../../../__test__/support/deferred');

/** The only calls that may reject because of an outage. */
const DOCUMENTED = ['E_UNAVAILABLE', 'E_TIMEOUT'];

function createRound({ x, world, name, pick, tell }) {
  let words = 0;

  async function raw(what, act, isRight = () => true) {
    const { value, code, error } = await x.act(what, () => outcomeOf(act()));
    if (error !== undefined && !DOCUMENTED.includes(code)) tell(`${what}: rejected with ${code ?? error.message}`);
    if (error === undefined && !isRight(value)) tell(`${what}: answered ${JSON.stringify(value)}`);
    if (error !== undefined) world.rejected[code] = (world.rejected[code] ?? 0) + 1;
  }

  return async function round() {
    words += 1;
    const { client } = x;
    const word = `${name} ${words}`;
    await Promise.all([
      raw('Client.call', () => client.call('ECHO', word), (echo) => echo === word),
      raw('Client.sendCommand', () => client.sendCommand(['ECHO', `${word}!`]), (echo) => echo === `${word}!`),
      raw('Client.ping', () => client.ping(), (pong) => pong === 'PONG'),
    ]);
    await raw('Client.call', () => client.call('SET', `${world.prefixOf(x)}raw:${name}`, word, 'PX', 60_000), (ok) => ok === 'OK');
    if (pick([true, false])) await raw('Client.connect', () => client.connect());
    await x.act('Client.publish', () => client.publish(`of ${name}`, Buffer.from(word)));
    await x.act('Client.sPublish', () => client.sPublish(`of ${name}`, word));
    const { status } = await x.call('health');
    if (!['ok', 'degraded'].includes(status)) tell(`health: ${status}`);
    for (const look of ['getMetrics', 'prometheusMetrics', 'isRedisAvailable', 'getClient', 'getPubSub']) {
      x.backplane[look]();
      x.count(look);
    }
  };
}

module.exports = { createRound };
