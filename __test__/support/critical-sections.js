'use strict';

// Critical sections as their holders, in many processes, report them, and what must be true of them. All
// times are µs of the machine's monotonic clock, which is the same in every process.

function now() {
  return Number(process.hrtime.bigint() / 1000n);
}

/** How long a process may take to stop once it is told to. */
const STOPS_WITHIN_US = 200_000;
/** How long a lock is kept for a waiter that it was handed to, or that has just begun to go on again. */
const GRACE_US = 1_000_000;

class CriticalSections {
  #begun;
  #attempts = new Map();
  #writes = [];
  #greatest = new Map();
  #stops = [];

  constructor(begun = now()) {
    this.#begun = begun;
  }

  /** Somebody begins to try for a lock: `{ id, worker, how, key, ttlMs, asked }`. */
  asked(attempt) {
    this.#attempts.set(attempt.id, { ...attempt, looks: [], until: Infinity });
  }

  denied({ id, at }) {
    this.#attempts.get(id).until = at;
  }

  /**
   * The holder's signal was read after `since` and before `at`. By `leaseEnd` its lease has ended; null:
   * not known. The fence is 0 for a lock that has none.
   */
  looked({ id, fence, ...look }) {
    const attempt = this.#attempts.get(id);
    if (attempt.looks.length === 0) Object.assign(attempt, { fence, until: look.at });
    attempt.looks.push(look);
  }

  /** The resource that the locks are for: refuses a fence that is older than one that it has seen. */
  write(key, fence) {
    const isAccepted = fence >= (this.#greatest.get(key) ?? 0);
    if (isAccepted) this.#greatest.set(key, fence);
    this.wrote({ key, fence, isAccepted });
  }

  wrote(write) {
    this.#writes.push(write);
  }

  /** A worker was told to stop at `from`, and to go on at `to`. */
  stopped(worker, from, to) {
    this.#stops.push({ worker, from: from + STOPS_WITHIN_US, to });
  }

  get #sections() {
    return [...this.#attempts.values()].filter(({ looks }) => looks.length > 0);
  }

  /** What is wrong, for people. */
  violations() {
    const sections = this.#sections;
    return [
      ...perKey(sections, fencesThatDoNotGrow),
      ...perKey(sections, overlaps),
      ...sections.flatMap(heldAfterItsLease),
      ...this.#stops.flatMap((stop) => sections.flatMap((section) => heldAfterAStop(section, stop))),
      ...perKey(this.#writes, staleWrites),
    ];
  }

  /**
   * The times in which nobody held a lock, until `end`: `{ key, ms, excessMs }`, the latter being what
   * cannot be put down to a lease of `longestTtlMs` that had to end, one hand-over, and one more for each
   * waiter that was stopped.
   */
  gaps(end, longestTtlMs) {
    const isStoppedWithin = ({ worker }, from, to) =>
      this.#stops.some((stop) => stop.worker === worker && stop.from < to && stop.to + GRACE_US > from);
    return perKey([...this.#attempts.values()], (attempts) => {
      const sections = attempts.filter(({ looks }) => looks.length > 0);
      return idleTimes(sections, this.#begun, end).map(([from, to]) => {
        const waiting = attempts.filter((each) => each.asked < to && each.until > from);
        const stopped = waiting.filter((each) => isStoppedWithin(each, from, to));
        const explained = longestTtlMs * 1000 + GRACE_US * (1 + stopped.length);
        return { key: attempts[0].key, ms: (to - from) / 1000, excessMs: (to - from - explained) / 1000 };
      });
    });
  }

  counts() {
    const sections = this.#sections;
    const count = (list, is) => list.filter(is).length;
    return {
      acquired: sections.length,
      acquiredBy: tally(sections, ({ how }) => how),
      acquiredOf: tally(sections, ({ key }) => key),
      denied: this.#attempts.size - sections.length,
      aborted: count(sections, ({ looks }) => !looks.at(-1).isHeld),
      written: count(this.#writes, ({ isAccepted }) => isAccepted),
      refused: count(this.#writes, ({ isAccepted }) => !isAccepted),
    };
  }
}

function groups(list) {
  const byKey = new Map();
  for (const each of list) {
    if (!byKey.has(each.key)) byKey.set(each.key, []);
    byKey.get(each.key).push(each);
  }
  return byKey;
}

function perKey(list, check) {
  return [...groups(list).values()].flatMap(check);
}

function tally(list, nameOf) {
  const counts = {};
  for (const each of list) counts[nameOf(each)] = (counts[nameOf(each)] ?? 0) + 1;
  return counts;
}

function named({ key, id, how, fence }) {
  return `${key}: ${how} ${id} (fence ${fence})`;
}

/** Who asked after another had the lock gets a greater fence; nobody gets one twice. */
function fencesThatDoNotGrow(sections) {
  const fenced = sections.filter(({ fence }) => fence > 0);
  const byGrant = [...fenced].sort((a, b) => a.looks[0].at - b.looks[0].at);
  const byAsking = [...fenced].sort((a, b) => a.asked - b.asked);
  const found = [];
  let granted = 0;
  let greatest = null;
  for (const section of byAsking) {
    while (byGrant[granted]?.looks[0].at < section.asked) {
      const next = byGrant[granted];
      if (greatest === null || next.fence > greatest.fence) greatest = next;
      granted += 1;
    }
    if (greatest !== null && section.fence <= greatest.fence) found.push(`${named(section)} comes after ${named(greatest)}`);
  }
  const byFence = [...fenced].sort((a, b) => a.fence - b.fence);
  const twice = byFence.filter(({ fence }, i) => fence === byFence[i + 1]?.fence);
  return [...found, ...twice.map((section) => `${named(section)} is given twice`)];
}

/** A lock that was held at two looks was held between them. */
function overlaps(sections) {
  const intervals = sections.flatMap((section) => {
    const held = section.looks.filter(({ isHeld }) => isHeld);
    return held.length > 1 ? [{ section, from: held[0].at, to: held.at(-1).since }] : [];
  });
  intervals.sort((a, b) => a.from - b.from);
  const found = [];
  let last = null;
  for (const interval of intervals.filter(({ from, to }) => from < to)) {
    if (last !== null && interval.from < last.to) {
      const us = Math.min(last.to, interval.to) - interval.from;
      found.push(`${named(interval.section)} and ${named(last.section)} were both held for ${us} µs at ${interval.from}`);
    }
    if (last === null || interval.to > last.to) last = interval;
  }
  return found;
}

function heldAfterItsLease(section) {
  const late = section.looks.filter(({ isHeld, since, leaseEnd }) => isHeld && leaseEnd !== null && since > leaseEnd);
  return late.map(({ since, leaseEnd }) => `${named(section)} was held ${since - leaseEnd} µs after its lease`);
}

/** While a process is stopped it renews nothing. */
function heldAfterAStop(section, { worker, from, to }) {
  if (section.worker !== worker || section.looks[0].at > from || section.ttlMs * 1000 > to - from) return [];
  const late = section.looks.filter(({ isHeld, since }) => isHeld && since > to);
  return late.map(({ since }) => `${named(section)} was held ${since - to} µs after it was stopped for longer than its lease`);
}

/** From when a holder was last seen until the next. */
function idleTimes(sections, begin, end) {
  const times = sections.map(({ looks }) => [looks[0].at, looks.findLast(({ isHeld }) => isHeld)?.at ?? looks[0].at]);
  const idle = [];
  let since = begin;
  for (const [from, to] of [...times.sort((a, b) => a[0] - b[0]), [end, end]]) {
    if (from > since) idle.push([since, from]);
    since = Math.max(since, to);
  }
  return idle;
}

function staleWrites(writes) {
  let greatest = 0;
  const found = [];
  for (const { key, fence } of writes.filter(({ isAccepted }) => isAccepted)) {
    if (fence < greatest) found.push(`${key}: a write with fence ${fence} was accepted after one with ${greatest}`);
    greatest = Math.max(greatest, fence);
  }
  return found;
}

module.exports = { CriticalSections, now };
