import { createChart } from './charts.js';
import { byId, make, say } from './dom.js';

const NUMBER = new Intl.NumberFormat();
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

/** The internals of the page; updated by `stats` once a second. */
export function createPanel() {
  const figures = new Map();
  const charts = byId('charts');
  const calls = createChart(charts, 'Calls a second', ['calls'], (value) => NUMBER.format(value));
  const latency = createChart(charts, 'Latency, ms', ['p50', 'p99'], (value) => String(value));
  const messages = createChart(charts, 'Messages a second', ['in', 'out'], (value) => NUMBER.format(value));
  let before = null;

  function show({ at, instance, metrics, callsPerSecond, health }) {
    const { caches, connection, limits, pubsub, redis, functions } = metrics;
    const { p50, p99 } = latencies(Object.values(functions));
    set('Instance', instance);
    set('Redis', `${health.status === 'ok' ? 'there' : 'away'} since ${TIME.format(connection.since)}`);
    set('Its answer', health.latencyMs === null ? '–' : `${health.latencyMs.toFixed(2)} ms`);
    set('Its memory', memory(redis));
    set('Calls a second', NUMBER.format(callsPerSecond));
    set('Latency p50 / p99', `${p50.toFixed(2)} / ${p99.toFixed(2)} ms`);
    set('Hits: queries', rate(caches.queries));
    set('Hits: messages', rate(caches.messages));
    set('Hits: sessions', rate(caches.sessions));
    set('Hits from memory', NUMBER.format(Object.values(caches).reduce((sum, { memoryHits }) => sum + memoryHits, 0)));
    set('Messages in / out', `${NUMBER.format(pubsub.received)} / ${NUMBER.format(pubsub.published)}`);
    set('Limits reached', NUMBER.format(limits.denied));
    set('Outages', NUMBER.format(connection.becameDegraded));
    calls.add(at, callsPerSecond);
    latency.add(at, p50, p99);
    messages.add(at, perSecond(at, pubsub, 'received'), perSecond(at, pubsub, 'published'));
    before = { at, pubsub };
  }

  function perSecond(at, pubsub, name) {
    return before === null ? 0 : Math.round(((pubsub[name] - before.pubsub[name]) * 1000) / (at - before.at));
  }

  function set(name, value) {
    if (!figures.has(name)) {
      const field = make('dd');
      byId('figures').append(make('dt', {}, name), field);
      figures.set(name, field);
    }
    say(figures.get(name), value);
  }

  return { show };
}

/** For all functions: each p50 weighted by its calls, and the worst p99. */
function latencies(functions) {
  const timed = functions.filter(({ latencyMs }) => latencyMs !== null);
  const total = timed.reduce((sum, { calls }) => sum + calls, 0);
  const p50 = timed.reduce((sum, { calls, latencyMs }) => sum + calls * latencyMs.p50, 0) / Math.max(total, 1);
  return { p50, p99: Math.max(0, ...timed.map(({ latencyMs }) => latencyMs.p99)) };
}

function rate({ hits, misses }) {
  return hits + misses === 0 ? '–' : `${Math.round((100 * hits) / (hits + misses))} % of ${NUMBER.format(hits + misses)}`;
}

function memory(redis) {
  if (redis === null) return '–';
  const mib = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  return redis.maxMemory === 0 ? mib(redis.usedMemory) : `${mib(redis.usedMemory)} of ${mib(redis.maxMemory)}`;
}
