'use strict';

const { Histogram } = require('./histogram');

/**
 * A message that has not arrived by then is lost. This includes the longest outage that a client
 * may wait out.
 */
const LATEST_MS = 30_000;

const micros = () => Number(process.hrtime.bigint() / 1000n);

function emptyAccount() {
  return {
    sent: 0,
    refused: {},
    unanswered: 0,
    deliveries: 0,
    /**
     * Missing deliveries, to clients of the same instance and of the other one; and duplicate
     * deliveries.
     */
    lostHere: 0,
    lostThere: 0,
    tooMany: 0,
    here: new Histogram(),
    there: new Histogram(),
  };
}

/**
 * The messages of the clients of one process: the expected receivers, the actual ones, and the
 * latencies. By phase.
 */
class Ledger {
  #open = new Map();
  #last = 0;
  accounts = {};

  account(phase) {
    this.accounts[phase] ??= emptyAccount();
    return this.accounts[phase];
  }

  /** `listeners`: how many clients of each instance are in the room. Returns the text to send. */
  send({ phase, instance, listeners }) {
    this.#last += 1;
    const message = { phase, instance, listeners: [...listeners], heard: [0, 0], sentAt: micros(), outcome: null };
    this.#open.set(this.#last, message);
    this.account(phase).sent += 1;
    return { number: this.#last, text: `load ${this.#last}` };
  }

  answered(number, { ok, code }) {
    const message = this.#open.get(number);
    if (message) message.outcome = ok ? 'ok' : code;
  }

  heard(text, instance) {
    const message = this.#open.get(Number(text.slice('load '.length)));
    if (message === undefined) return;
    const account = this.account(message.phase);
    message.heard[instance] += 1;
    account.deliveries += 1;
    account[instance === message.instance ? 'here' : 'there'].add(micros() - message.sentAt);
  }

  /** Closes the accounts of messages that are old enough, or of all. */
  settle(isLast = false) {
    const oldest = micros() - LATEST_MS * 1000;
    for (const [number, message] of this.#open) {
      if (!isLast && message.sentAt > oldest) break;
      this.#open.delete(number);
      this.#close(message);
    }
  }

  #close({ phase, instance, listeners, heard, outcome }) {
    const account = this.account(phase);
    if (outcome === null) account.unanswered += 1;
    else if (outcome !== 'ok') account.refused[outcome] = (account.refused[outcome] ?? 0) + 1;
    if (outcome !== 'ok') return;
    const other = 1 - instance;
    account.lostHere += Math.max(0, listeners[instance] - heard[instance]);
    account.lostThere += Math.max(0, listeners[other] - heard[other]);
    account.tooMany += [0, 1].reduce((sum, i) => sum + Math.max(0, heard[i] - listeners[i]), 0);
  }
}

function mergeAccounts(list) {
  const total = emptyAccount();
  for (const account of list) {
    for (const name of ['sent', 'unanswered', 'deliveries', 'lostHere', 'lostThere', 'tooMany']) total[name] += account[name];
    for (const [code, count] of Object.entries(account.refused)) total.refused[code] = (total.refused[code] ?? 0) + count;
    for (const name of ['here', 'there']) total[name].merge(account[name]);
  }
  return total;
}

module.exports = { Ledger, mergeAccounts };
