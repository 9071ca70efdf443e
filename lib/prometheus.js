'use strict';

// Metrics as text in the exposition format of Prometheus, version 0.0.4. Labels are names that this
// package defines, never the caller's data.

const PREFIX = 'redis_backplane_';
const QUANTILES = [
  ['0.5', 'p50'],
  ['0.9', 'p90'],
  ['0.99', 'p99'],
];

/** A metric has a name, a type, a help line and samples: `[value, labels, suffix]`. */
function exposition({ counted, functions }) {
  const metrics = [
    ...ofConnection(counted),
    ...ofFunctions(functions),
    ...ofCaches(Object.entries(counted.caches), counted),
    ...ofMessages(counted),
    ...ofQueues(counted),
  ];
  return metrics.filter(({ samples }) => samples.length > 0).map(write).join('');
}

function ofConnection({ connection, forbidden, redis, limits }) {
  return [
    gauge('up', 'Whether Redis is available.', [[connection.state === 'ready' ? 1 : 0]]),
    counter('connection_changes_total', 'How often Redis became available, and unavailable.', [
      [connection.becameReady, { to: 'ready' }],
      [connection.becameDegraded, { to: 'degraded' }],
    ]),
    counter('forbidden_total', 'What Redis has refused to do for this user.', Object.entries(forbidden).map(([what, times]) => [times, { what }])),
    gauge('redis_memory_used_bytes', 'used_memory of the server.', redis ? [[redis.usedMemory]] : []),
    gauge('redis_memory_max_bytes', 'maxmemory of the server; 0 is no limit.', redis ? [[redis.maxMemory]] : []),
    counter('limit_checks_total', 'Checks of rate limits.', [
      [limits.allowed, { result: 'allowed' }],
      [limits.denied, { result: 'denied' }],
    ]),
  ];
}

function ofFunctions(functions) {
  const each = (read) => functions.map(([name, { counts }]) => [read(counts), { function: name }]);
  return [
    counter('calls_total', 'Calls that were answered.', each(({ calls }) => calls)),
    counter('call_errors_total', 'Calls that were rejected.', each(({ errors }) => errors)),
    counter('calls_from_memory_total', 'Calls that this process answered, not Redis.', each(({ fromMemory }) => fromMemory)),
    {
      name: 'call_duration_seconds',
      type: 'summary',
      help: 'From the end of the tick of a call to its answer; quantiles of the last 30 to 60 seconds.',
      samples: functions.flatMap(ofDuration),
    },
  ];
}

function ofDuration([name, { counts, timing }]) {
  const { latencyMs } = counts;
  const quantiles = QUANTILES.map(([quantile, key]) => [seconds(latencyMs?.[key] ?? NaN), { function: name, quantile }]);
  return [...quantiles, [seconds(timing.totalMs), { function: name }, '_sum'], [timing.timed, { function: name }, '_count']];
}

function ofCaches(caches, { loaders }) {
  const each = (read) => caches.map(([name, counts]) => [read(counts), { cache: name }]);
  const [[, { staleServed }]] = caches;
  return [
    counter('cache_hits_total', 'Reads that found a value.', each(({ hits }) => hits)),
    counter('cache_memory_hits_total', 'Hits that this process answered.', each(({ memoryHits }) => memoryHits)),
    counter('cache_misses_total', 'Reads that found no value.', each(({ misses }) => misses)),
    counter('cache_fenced_sets_total', 'Values that were not stored because they may be stale.', each(({ fencedSets }) => fencedSets)),
    counter('cache_stale_served_total', 'Failed loaders for which an old value was served.', [[staleServed]]),
    counter('loader_runs_total', 'Loaders that ran.', [[loaders.runs]]),
    counter('loader_failures_total', 'Loaders that failed.', [[loaders.failures]]),
  ];
}

function ofMessages({ pubsub }) {
  return [
    counter('messages_published_total', 'Messages published by this process.', [[pubsub.published]]),
    counter('messages_received_total', 'Messages received.', [[pubsub.received]]),
    counter('messages_dropped_total', 'Messages dropped because they came faster than they were taken.', [[pubsub.dropped]]),
    counter('message_gaps_total', 'How often messages may have been missed.', [[pubsub.gaps]]),
  ];
}

function ofQueues({ queues, memory }) {
  return [
    gauge('pending_calls', 'Calls in flight.', [[queues.calls]]),
    gauge('queued_messages', 'Messages that have not been taken yet.', [[queues.messages]]),
    gauge('queued_message_bytes', 'Bytes of these messages.', [[queues.messageBytes]]),
    gauge('memory_entries', 'Entries of the in-memory store.', [[memory.entries]]),
    gauge('memory_bytes', 'Bytes of the data kept in this process, by kind.', Object.entries(memory.kinds).map(([kind, bytes]) => [bytes, { kind }])),
  ];
}

function gauge(name, help, samples) {
  return { name, type: 'gauge', help, samples };
}

function counter(name, help, samples) {
  return { name, type: 'counter', help, samples };
}

function write({ name, type, help, samples }) {
  const full = PREFIX + name;
  const lines = samples.map(([value, labels, suffix = '']) => `${full}${suffix}${written(labels)} ${value}`);
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join('\n')}\n`;
}

/** Names that this package defines need no escaping. */
function written(labels) {
  if (labels === undefined) return '';
  return `{${Object.entries(labels).map(([key, value]) => `${key}="${value}"`).join(',')}}`;
}

function seconds(ms) {
  // To the microsecond, as they are measured.
  return Number((ms / 1000).toFixed(6));
}

module.exports = { exposition };
