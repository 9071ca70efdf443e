'use strict';

const { startMeter } = require('../../harness/meter');
const { quantile } = require('../../harness/stats');
const { Flow } = require('./flow');

async function measureFlow(link, workload, { millis, limit, isDeep }) {
  let flow = null;
  await link.begin({ isDeep }, (deliveries) => flow?.arrive(deliveries));
  flow = new Flow(link.publish, workload, { millis, limit });
  const stopMeter = startMeter();
  await flow.run();
  const publisher = stopMeter();
  return summarize(flow, workload, publisher, await link.end());
}

function summarize(flow, { deliveries }, publisher, { arrivedAt, errors, firstError, subscriber }) {
  const { messages } = flow;
  const latencies = arrivedAt.map((at, index) => at - flow.sentAt[index]).sort((a, b) => a - b);
  const perMessage = (micros) => micros / messages;
  return {
    ops: messages,
    seconds: publisher.seconds,
    samples: latencies.length,
    opsPerSecond: messages / publisher.seconds,
    deliveriesPerSecond: (messages * deliveries) / publisher.seconds,
    p50Micros: quantile(latencies, 0.5),
    p99Micros: quantile(latencies, 0.99),
    mainThreadMicros: perMessage(publisher.activeMicros + (subscriber?.activeMicros ?? 0)),
    cpuMicros: perMessage(publisher.cpuMicros + (subscriber?.cpuMicros ?? 0)),
    ...(subscriber && split(publisher, subscriber, perMessage)),
    errors: flow.errors + errors,
    firstError: flow.firstError ?? firstError,
  };
}

function split(publisher, subscriber, perMessage) {
  return {
    publisherMainMicros: perMessage(publisher.activeMicros),
    subscriberMainMicros: perMessage(subscriber.activeMicros),
    publisherCpuMicros: perMessage(publisher.cpuMicros),
    subscriberCpuMicros: perMessage(subscriber.cpuMicros),
  };
}

module.exports = { measureFlow };
