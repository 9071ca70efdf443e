'use strict';

const MOST_DRIFT = 0.1;
/** With fewer, a process still grows into its heap. */
const CALLS_FOR_MEMORY = 200_000;

function median(numbers) {
  const sorted = [...numbers].sort((x, y) => x - y);
  return sorted[Math.floor(sorted.length / 2)];
}

/** A part of the samples, in fifths. */
function fifth(samples, number) {
  const size = samples.length / 5;
  return samples.slice(Math.floor(size * (number - 1)), Math.floor(size * number));
}

/** From the second fifth of the run to the last. */
function memoryOf(samples) {
  const [early, late] = [2, 5].map((number) => median(fifth(samples, number).map(({ rss }) => rss)));
  return { earlyMB: early / 2 ** 20, lateMB: late / 2 ** 20, drift: late / early - 1 };
}

function threadsOf(samples) {
  const [early, late] = [2, 5].map((number) => Math.max(...fifth(samples, number).map(({ threads }) => threads)));
  return { early, late };
}

/** Violations of the package's promises, for humans. */
function failuresOf({ load, memory, threads, atBegin, atEnd, stocks, left, connections, wanted }) {
  const same = (x, y) => JSON.stringify(x) === JSON.stringify(y);
  const { resources, listeners } = atEnd;
  return [
    load.calls < wanted && `${load.calls} calls instead of ${wanted}`,
    ...load.broken.map(({ instance, name, ...how }) => `${instance} ${name}: ${JSON.stringify(how)}`),
    load.wrong.count > 0 && `${load.wrong.count} wrong answers`,
    ...load.wrong.told,
    ...load.complaints.map((line) => `logged as an error: ${line}`),
    load.unused.length > 0 && `never called: ${load.unused.join(', ')}`,
    wanted >= CALLS_FOR_MEMORY && memory.drift > MOST_DRIFT && `RSS has grown by ${(memory.drift * 100).toFixed(1)} %`,
    threads.late > threads.early && `${threads.early} threads have become ${threads.late}`,
    !same(resources.before, resources.after) && `resources after close(): ${resources.after}, before: ${resources.before}`,
    listeners.client !== atBegin.listeners && `${atBegin.listeners} listeners of the client have become ${listeners.client}`,
    listeners.signal + listeners.gap > 0 && `listeners are left: ${JSON.stringify(listeners)}`,
    connections > 0 && `${connections} connections are left`,
    ...[...stocks, left].flatMap(({ wrong }) => wrong),
  ].filter(Boolean);
}

module.exports = { failuresOf, memoryOf, threadsOf };
