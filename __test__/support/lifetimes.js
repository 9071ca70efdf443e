'use strict';

// Lifetimes of backplanes, handles and workers: plans that fast-check makes, what has to come of each step by a plain
// model, and the process that carries them out.

const { fork } = require('node:child_process');
const path = require('node:path');
const fc = require('fast-check');
const { uniquePrefix } = require('.');
const { cleanEnv } = require('./program');

const PROGRAM = path.join(__dirname, '..', 'programs', 'lifetimes.js');
const BACKPLANES = 4;

const b = fc.nat({ max: BACKPLANES - 1 });
const h = fc.nat({ max: 5 });
const w = fc.nat({ max: 3 });
const kind = fc.constantFrom('duplicate', 'subscriber', 'pubSub');
const how = fc.constantFrom('terminate', 'exit', 'close', 'leave');
const step = (name, fields = {}) => fc.record({ do: fc.constant(name), ...fields });

const ALONE = [
  { weight: 5, arbitrary: step('open', { b }) },
  { weight: 4, arbitrary: step('set', { b, value: fc.nat({ max: 1000 }) }) },
  { weight: 4, arbitrary: step('get', { b }) },
  { weight: 4, arbitrary: step('close', { b }) },
  { weight: 4, arbitrary: step('make', { b, h, kind }) },
  { weight: 2, arbitrary: step('subscribe', { h }) },
  { weight: 4, arbitrary: step('end', { h }) },
  { weight: 3, arbitrary: step('wait') },
];
const WITH_WORKERS = [
  ...ALONE,
  { weight: 4, arbitrary: step('startWorker', { w }) },
  { weight: 5, arbitrary: step('endWorker', { w, how }) },
];

const plans = (steps, length) => fc.array(fc.oneof(...steps), { minLength: length / 4, maxLength: length });

/** Backplanes with these numbers have a server; the others only memory. */
const hasServer = (number) => number % 2 === 0;

/** What has to come of each step that is no `wait`: the only outcome, or several that are right. */
class Model {
  #isOpen = new Map();
  /** Closed since the last wait: their last calls may still be under way, on a connection of their own. */
  #closing = new Set();
  #values = new Map();
  #handles = new Map();
  #workers = new Set();

  /** A step that does nothing in this place, so that it is left out. */
  isIdle({ do: what, b: number, w: worker }) {
    if (what === 'open') return this.#isOpen.get(number) === true || this.#closing.has(number);
    return what === 'startWorker' && this.#workers.has(worker);
  }

  expect(now) {
    return this[now.do](now);
  }

  wait() {
    this.#closing.clear();
  }

  open({ b: number }) {
    this.#isOpen.set(number, true);
    if (!hasServer(number)) this.#values.delete(number);
    return ['nothing'];
  }

  set({ b: number, value }) {
    return this.#call(number, () => {
      this.#values.set(number, value);
      return true;
    });
  }

  get({ b: number }) {
    return this.#call(number, () => this.#values.get(number) ?? 'miss');
  }

  close({ b: number }) {
    if (this.#isOpen.get(number)) this.#closing.add(number);
    if (this.#isOpen.has(number)) this.#isOpen.set(number, false);
    return ['nothing'];
  }

  make({ b: number, h: handle }) {
    // Whether one can still be made of a backplane that has ended is not the matter here.
    if (this.#isOpen.has(number)) this.#handles.set(handle, number);
    return ['nothing', 'E_CLOSED'];
  }

  subscribe() {
    return ['settled', 'E_CLOSED'];
  }

  end() {
    return ['settled', 'E_CLOSED'];
  }

  startWorker({ w: worker }) {
    this.#workers.add(worker);
    return ['works', 'ended', 'E_CLOSED'];
  }

  endWorker({ w: worker }) {
    return [this.#workers.delete(worker) ? 'ended' : 'nothing'];
  }

  #call(number, answer) {
    const isOpen = this.#isOpen.get(number);
    if (isOpen === undefined) return ['nothing'];
    return [isOpen ? answer() : 'E_CLOSED'];
  }
}

/** The steps of a plan that do something, and what has to come of those that are waited for. */
function modelled(plan) {
  const model = new Model();
  const steps = [];
  const expected = [];
  for (const now of plan) {
    if (model.isIdle(now)) continue;
    steps.push(now);
    const outcomes = model.expect(now);
    if (outcomes !== undefined) expected.push(outcomes);
  }
  return { steps, expected };
}

/** How many lifetimes begin in a plan. */
const lifetimes = (steps) => steps.filter(({ do: what }) => ['open', 'make', 'startWorker'].includes(what)).length;

/** A process that carries plans out; a new one when it has crashed, or after each plan. */
class Stage {
  #child = null;

  constructor(urls, { isNewEachTime = false } = {}) {
    this.urls = urls;
    this.isNewEachTime = isNewEachTime;
    this.lifetimes = 0;
  }

  /** Throws when something else came of a plan than has to. */
  async check(plan) {
    const { steps, expected } = modelled(plan);
    this.lifetimes += lifetimes(steps);
    const { crashed, came, finished } = await this.#carryOut({ steps, urls: this.urls, prefix: uniquePrefix() });
    if (this.isNewEachTime) await this.end();
    if (crashed !== undefined) throw new Error(`the process ended by ${crashed}`);
    const wrong = came.flatMap((one, i) => (expected[i].includes(one) ? [] : [`step ${i} of those that are no wait: ${one}, not ${expected[i]}`]));
    if (finished.includes('pending')) wrong.push('an end that never came');
    if (wrong.length === 0) return;
    // What is tried to shrink the plan begins anew.
    await this.end();
    throw new Error(wrong.join('\n'));
  }

  #carryOut(plan) {
    this.#child ??= fork(PROGRAM, { env: cleanEnv(), execArgv: ['--unhandled-rejections=strict'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const child = this.#child;
    return new Promise((resolve) => {
      const settle = (result) => {
        child.off('message', settle).off('exit', onExit);
        resolve(result);
      };
      const onExit = (code, signal) => {
        this.#child = null;
        settle({ crashed: signal ?? `code ${code}` });
      };
      child.once('message', settle).once('exit', onExit);
      child.send(plan);
    });
  }

  async end() {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    const ended = new Promise((resolve) => {
      child.once('exit', resolve);
    });
    child.disconnect();
    // What it has closed keeps it alive no longer; a call that is never answered does.
    const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
    await ended;
    clearTimeout(timer);
  }
}

module.exports = { ALONE, WITH_WORKERS, Stage, plans };
