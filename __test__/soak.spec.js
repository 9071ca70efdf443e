'use strict';

const { soak } = require('../scripts/soak/soak');

test('20,000 calls of every function, half of them in faults: every promise is kept', async () => {
  const { failures, load, faults, ears, seconds } = await soak({ calls: 20_000, seed: Date.now() % 2 ** 31 });
  console.log(`${load.calls} calls in ${Math.round(seconds)} s, ${load.met} met a fault, ${load.outages} outages`);
  expect(failures).toEqual([]);
  expect(load.met).toBeGreaterThan(load.calls * 0.35);
  expect(load.outages).toBeGreaterThan(5);
  expect(ears).toBeGreaterThan(5);
  expect(Object.values(faults).filter((count) => count > 0).length).toBeGreaterThan(5);
}, 90_000);
