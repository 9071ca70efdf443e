'use strict';

const { quantile } = require('../../harness/stats');

async function measureHandOvers(queue, millis) {
  const sessions = await queue.sessions(millis);
  const latencies = sessions.flatMap(handOvers).sort((a, b) => a - b);
  const problems = sessions.flatMap(problemsOf);
  return {
    sessions: sessions.length,
    samples: latencies.length,
    handOverP50Millis: quantile(latencies, 0.5) / 1000,
    handOverP99Millis: quantile(latencies, 0.99) / 1000,
    placesOff: mean(sessions.map(placesOff)),
    errors: problems.length,
    firstError: problems[0] ?? null,
  };
}

async function measureWaiting(queue, millis) {
  const { session, usage } = await queue.longHold(millis);
  const problems = problemsOf(session);
  return {
    waitingCommandsPerSecond: usage.commands / usage.seconds,
    waitingCpuMillis: usage.cpuMicros / 1000 / usage.seconds,
    errors: problems.length,
    firstError: problems[0] ?? null,
  };
}

/** From the release in one process to the grant in the other, µs. */
function handOvers(session) {
  const visits = inOrderOfGrants(session);
  return visits
    .slice(1)
    .map((visit, index) => ({ visit, before: visits[index] }))
    .filter(({ visit, before }) => visit.process !== before.process)
    .map(({ visit, before }) => visit.grantedAt - before.releasedAt);
}

/**
 * By how many places the order of the grants differs from the order of the calls, on average over
 * the waiters.
 */
function placesOff(session) {
  const waiters = session.slice(1);
  if (waiters.length < 2) return NaN;
  const granted = inOrderOfGrants(waiters);
  return mean(granted.map((visit, place) => Math.abs(waiters.indexOf(visit) - place)));
}

// A time is taken after a grant and before a release: an overlap of these times is a real overlap.
function problemsOf(session) {
  const visits = inOrderOfGrants(session);
  const overlaps = visits
    .slice(1)
    .filter((visit, index) => visit.grantedAt < visits[index].releasedAt)
    .map(() => 'two had the lock at once');
  return [...session.map(({ problem }) => problem).filter(Boolean), ...overlaps];
}

function inOrderOfGrants(session) {
  return session.filter((visit) => visit.grantedAt).sort((a, b) => a.grantedAt - b.grantedAt);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

module.exports = { measureHandOvers, measureWaiting, problemsOf };
