'use strict';

const { PLACES, usePlace } = require('./support/places');

const HELP = /^# HELP ([a-z_]+) \S.*$/;
const TYPE = /^# TYPE ([a-z_]+) (counter|gauge|summary)$/;
const SAMPLE = /^([a-z_]+?)(_sum|_count)?(?:\{((?:[a-z]+="[A-Za-z0-9_.]+",?)+)\})? (NaN|[0-9]+(?:\.[0-9]+)?(?:e-[0-9]+)?)$/;

/** The families of an exposition: each with its type and its samples, in order. */
function parse(text) {
  expect(text.endsWith('\n')).toBe(true);
  const families = new Map();
  let current;
  for (const line of text.slice(0, -1).split('\n')) {
    if (HELP.test(line)) {
      const [, name] = HELP.exec(line);
      expect(families.has(name)).toBe(false);
      families.set(name, (current = { name, samples: new Map() }));
    } else if (TYPE.test(line)) {
      const [, name, type] = TYPE.exec(line);
      expect([name, current.type]).toEqual([current.name, undefined]);
      current.type = type;
    } else {
      addSample(current, line);
    }
  }
  return families;
}

function addSample(family, line) {
  expect(line).toMatch(SAMPLE);
  const [, name, suffix = '', labels = '', value] = SAMPLE.exec(line);
  expect(name).toBe(family.name);
  expect(suffix === '' || family.type === 'summary').toBe(true);
  const key = `${suffix}{${labels}}`;
  expect(family.samples.has(key)).toBe(false);
  family.samples.set(key, Number(value));
}

describe.each(PLACES)('the exposition, on %s', (name, start) => {
  const place = usePlace(start);

  it('is well-formed, and says what getMetrics says', async () => {
    const backplane = await place.open();
    await backplane.cacheSet('k', 1);
    await backplane.cacheGet('k');
    await backplane.checkRateLimit('k', 1);
    await backplane.checkRateLimit('k', 1);
    await backplane.publish('c', 1);
    const families = parse(backplane.prometheusMetrics());
    const read = (family, key) => families.get(`redis_backplane_${family}`).samples.get(key);
    expect(read('up', '{}')).toBe(name === 'redis' ? 1 : 0);
    expect(read('calls_total', '{function="cacheSet"}')).toBe(1);
    expect(read('calls_from_memory_total', '{function="cacheSet"}')).toBe(name === 'redis' ? 0 : 1);
    expect(read('call_duration_seconds', '_count{function="cacheSet"}')).toBe(1);
    const p50 = backplane.getMetrics().functions.cacheSet.latencyMs.p50;
    expect(read('call_duration_seconds', '{function="cacheSet",quantile="0.5"}')).toBeCloseTo(p50 / 1000, 6);
    expect(read('cache_hits_total', '{cache="cache"}')).toBe(1);
    expect(read('limit_checks_total', '{result="denied"}')).toBe(1);
    expect(read('messages_published_total', '{}')).toBe(1);
  });

  it('counters only grow', async () => {
    const backplane = await place.open();
    const before = parse(backplane.prometheusMetrics());
    for (let i = 0; i < 10; i++) await backplane.cacheGetOrSet(`k${i}`, () => i);
    const after = parse(backplane.prometheusMetrics());
    for (const [family, { type, samples }] of before) {
      if (type !== 'counter') continue;
      for (const [key, value] of samples) expect(after.get(family).samples.get(key)).toBeGreaterThanOrEqual(value);
    }
    expect(after.get('redis_backplane_loader_runs_total').samples.get('{}')).toBe(10);
  });
});
