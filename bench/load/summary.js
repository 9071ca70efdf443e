'use strict';

const { mergeAccounts } = require('./ledger');

const MOST_DRIFT = 0.1;
const MB = 2 ** 20;
/** Above this, clients and servers wait for cores, which dominates the latency. */
const SATURATED = 0.9;
/** Memory is judged from here on: for five minutes, the last three. */
const SETTLED_SHARE = 0.4;
/** In periods of this many seconds, whose medians are compared. */
const PART_SECONDS = 15;

const round = (number, digits = 2) => (number === null ? null : Number(number.toFixed(digits)));

function median(numbers) {
  const sorted = [...numbers].sort((x, y) => x - y);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Pairs of consecutive samples within a phase. */
function stepsOf(samples, phase) {
  return samples.slice(1).map((after, i) => [samples[i], after]).filter(([before, after]) => before.phase === phase && after.phase === phase);
}

/** Per second of the phase. */
function share(steps, read) {
  const used = steps.reduce((sum, [before, after]) => sum + read(after) - read(before), 0);
  const seconds = steps.reduce((sum, [before, after]) => sum + after.at - before.at, 0);
  return used / seconds;
}

function memoryOf(samples, instance, seconds) {
  const settled = samples.filter(({ at }) => at >= seconds * SETTLED_SHARE);
  const parts = grouped(settled, ({ at }) => Math.floor(at / PART_SECONDS));
  const mediansOf = (name) => parts.map((part) => round(median(part.map(({ instances }) => instances[instance][name])) / MB));
  const medians = mediansOf('rss');
  return { rssMB: medians, heapMB: mediansOf('heapTotal'), firstMB: round(medians[0]), lastMB: round(medians.at(-1)), largestMB: round(Math.max(...medians)), drift: round(medians.at(-1) / medians[0] - 1, 3) };
}

function grouped(list, nameOf) {
  const groups = {};
  for (const each of list) (groups[nameOf(each)] ??= []).push(each);
  return Object.values(groups);
}

function instanceOf(samples, instance, messages, seconds) {
  const steps = stepsOf(samples, 'steady');
  const of = (read) => share(steps, ({ instances }) => read(instances[instance]));
  const mainThread = of(({ cpu }) => cpu.mainThread);
  const whole = of(({ cpu }) => cpu.process);
  const loops = steps.map(([, { instances }]) => instances[instance].utilization);
  return {
    mainThreadCpu: round(mainThread, 3),
    processCpu: round(whole, 3),
    eventLoopUtilization: round(loops.reduce((sum, each) => sum + each, 0) / loops.length, 3),
    mainThreadMicrosPerMessage: round((mainThread * 1e6) / messages, 0),
    memory: memoryOf(samples, instance, seconds),
  };
}

function latencyOf(histogram) {
  return { deliveries: histogram.count, p50Ms: round(histogram.percentile(50)), p99Ms: round(histogram.percentile(99)) };
}

function phaseOf(results, phase) {
  const { here, there, ...account } = mergeAccounts(results.map(({ accounts }) => accounts[phase]).filter(Boolean));
  return { ...account, sameInstance: latencyOf(here), otherInstance: latencyOf(there) };
}

function failuresOf({ phases, instances, crashes, troubles, disconnected }) {
  const { steady, outage } = phases;
  const all = Object.values(phases);
  const total = (name) => all.reduce((sum, phase) => sum + phase[name], 0);
  return [
    ...crashes,
    ...troubles.flatMap(({ unhandled, uncaught, first }) => (first ? [`an instance: ${unhandled} unhandled rejections, ${uncaught} uncaught exceptions; ${first.split('\n')[0]}`] : [])),
    disconnected > 0 && `${disconnected} clients were disconnected`,
    total('lostHere') > 0 && `${total('lostHere')} deliveries were lost within an instance`,
    steady.lostThere > 0 && `${steady.lostThere} deliveries between the instances were lost while Redis was there`,
    total('tooMany') > 0 && `${total('tooMany')} deliveries came twice`,
    total('unanswered') > 0 && `${total('unanswered')} messages were not answered`,
    all.some(({ refused }) => Object.keys(refused).length > 0) && `messages were refused: ${JSON.stringify(all.map(({ refused }) => refused))}`,
    ...instances.map(({ memory }, i) => memory.drift > MOST_DRIFT && `instance ${'AB'[i]}: RSS has grown by ${(memory.drift * 100).toFixed(1)} %`),
    outage && outage.sent === 0 && 'nothing was said in the outage',
  ].filter(Boolean);
}

function summarize({ modules, results, samples, troubles, crashes, options }) {
  const names = Object.keys(results[0].accounts);
  const phases = Object.fromEntries(names.map((name) => [name, phaseOf(results, name)]));
  const steps = stepsOf(samples, 'steady');
  const steadySeconds = steps.reduce((sum, [before, after]) => sum + after.at - before.at, 0);
  const machine = share(steps, (each) => each.machine.busy) / share(steps, (each) => each.machine.all);
  const instances = [0, 1].map((i) => instanceOf(samples, i, options.rate / 2, options.seconds));
  const disconnected = results.reduce((sum, each) => sum + each.disconnected, 0);
  return {
    modules,
    steadySeconds: round(steadySeconds, 0),
    machineBusy: round(machine, 3),
    isSaturated: machine > SATURATED,
    instances,
    phases,
    troubles,
    crashes,
    failures: failuresOf({ phases, instances, crashes, troubles, disconnected }),
  };
}

module.exports = { summarize };
