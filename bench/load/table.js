'use strict';

const percent = (share) => `${(share * 100).toFixed(1)} %`;
const ms = (value) => (value === null ? '-' : `${value} ms`);

function phaseLines([name, { sent, deliveries, lostHere, lostThere, sameInstance, otherInstance }]) {
  return [
    `  ${name.padEnd(8)} ${sent} messages, ${deliveries} deliveries; lost here ${lostHere}, there ${lostThere}`,
    `           same instance p50 ${ms(sameInstance.p50Ms)} p99 ${ms(sameInstance.p99Ms)}; other p50 ${ms(otherInstance.p50Ms)} p99 ${ms(otherInstance.p99Ms)}`,
  ];
}

function instanceLine({ mainThreadCpu, processCpu, eventLoopUtilization, mainThreadMicrosPerMessage, memory }, i) {
  return `  ${'AB'[i]}: main thread ${percent(mainThreadCpu)} of a core (${mainThreadMicrosPerMessage} µs a message it was sent), event loop busy ${percent(eventLoopUtilization)}, process ${percent(processCpu)}; RSS ${memory.firstMB} → ${memory.lastMB} MB (${percent(memory.drift)})`;
}

/** The figures of a side, for humans. */
function tableOf({ machineBusy, isSaturated, instances, phases, failures }) {
  return [
    `  machine busy ${percent(machineBusy)}${isSaturated ? ': SATURATED, the latencies are those of waiting for a core' : ''}`,
    ...instances.map(instanceLine),
    ...Object.entries(phases).flatMap(phaseLines),
    ...failures.map((failure) => `  FAILED ${failure}`),
  ].join('\n');
}

module.exports = { tableOf };
