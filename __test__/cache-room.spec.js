'use strict';

const { until } = require('./support');
const { useStage } = require('./support/stage');

const READS = 300;
/** What a line of which nothing is known carries in a tenth of the deadline, and what a read asks for at least. */
const CARRIES = 200_000;
const LEAST = 1024;

describe('reads that are made at once', () => {
  const stage = useStage();

  it('ask together for no more than the line carries while a call waits', async () => {
    const { proxy, backplane } = await stage.ready({ commandTimeoutMs: 1000, slackMs: 60_000 });
    let sent = '';
    proxy.onRequest((chunk) => {
      sent += chunk.toString('latin1');
    });
    proxy.stallReplies();
    const reads = Array.from({ length: READS }, (_, i) => backplane.cacheGet(`k${i}`));
    const asked = () => [...sent.matchAll(/GETRANGE\r\n\$\d+\r\n[^\r]+\r\n\$1\r\n0\r\n\$\d+\r\n(\d+)/g)];
    await until(() => asked().length === READS, { what: 'all are sent' });
    proxy.flow();
    expect(await Promise.all(reads)).toEqual(reads.map(() => null));
    const sizes = asked().map(([, last]) => Number(last) + 1);
    expect(Math.min(...sizes)).toBe(LEAST);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(CARRIES + READS * LEAST);
    // One alone has much of it again.
    sent = '';
    expect(await backplane.cacheGet('k')).toBeNull();
    expect(Number(asked()[0][1]) + 1).toBeGreaterThanOrEqual(CARRIES / 2);
  });
});
