'use strict';

const { execFileSync, spawn } = require('node:child_process');
const path = require('node:path');
const { io: connect } = require('socket.io-client');
const { forget, killWithUs } = require('../../scripts/reaper');
const { cleanEnv } = require('./program');
const { deadline, until } = require('./until');

const CHAT = path.join(__dirname, '..', '..', 'examples', 'chat');
const PATIENCE_MS = 20_000;
/** The room of no play. */
const ROOM = 'foyer';

const visitors = [];

/** `[{ pid, ppid, command }]`; who has ended and was not asked about yet is not among them. */
function processes() {
  const list = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' }).trim().split('\n');
  const fields = list.map((line) => line.match(/^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/));
  const living = fields.filter((match) => match && !match[3].startsWith('Z'));
  return living.map(([, pid, ppid, , command]) => ({ pid: Number(pid), ppid: Number(ppid), command }));
}

function descendantsOf(root) {
  const all = processes();
  const found = [];
  let parents = [root];
  while (parents.length > 0) {
    const children = all.filter(({ ppid }) => parents.includes(ppid));
    found.push(...children);
    parents = children.map(({ pid }) => pid);
  }
  return found;
}

/** A program of the example as a visitor starts it, in a process group as a shell gives it. */
class Started {
  output = '';

  constructor(program, env) {
    this.child = spawn(process.execPath, [path.join(CHAT, program)], {
      detached: true,
      env: { ...cleanEnv(), DATABASE_URL: '', PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    killWithUs(this.child.pid);
    this.ended = new Promise((resolve) => this.child.once('exit', (code, signal) => resolve(code ?? signal)))
      .finally(() => forget(this.child.pid));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.output += text));
    }
  }

  says(what) {
    return until(() => this.output.match(what), { what: `the demo says ${what}, not only:\n${this.output}`, timeoutMs: PATIENCE_MS });
  }

  /** The addresses of the instances, when all can be looked at. */
  async urls() {
    await this.says('Ctrl-C');
    return [...this.output.matchAll(/http:\/\/localhost:\d+/g)].map(([url]) => url.replace('localhost', '127.0.0.1'));
  }

  descendants() {
    return descendantsOf(this.child.pid);
  }

  /** As Ctrl-C does: to all that run in front. */
  interrupt() {
    process.kill(-this.child.pid, 'SIGINT');
    return deadline(this.ended, PATIENCE_MS, `the end of the demo, which says\n${this.output}`);
  }

  /** To this process alone. */
  kill(signal) {
    this.child.kill(signal);
    return deadline(this.ended, PATIENCE_MS, 'the end of the demo');
  }
}

/** Resolves when none of them runs any more. */
function areGone(list) {
  const left = () => processes().filter(({ pid }) => list.some((each) => each.pid === pid));
  return until(() => left().length === 0, { what: `the end of ${list.map(({ command }) => command)}`, timeoutMs: PATIENCE_MS, everyMs: 50 });
}

/** Somebody with a page open. Remembers what it hears as `[event, data]`. */
class Visitor {
  heard = [];

  constructor(url, name) {
    this.name = name;
    this.socket = connect(url, { forceNew: true, reconnection: false, transports: ['websocket'] });
    this.socket.onAny((event, data) => this.heard.push([event, data]));
    this.socket.once('connect', () => (this.id = this.socket.id));
    this.gone = new Promise((resolve) => this.socket.once('disconnect', resolve));
  }

  ask(event, payload) {
    return this.socket.timeout(PATIENCE_MS).emitWithAck(event, payload);
  }

  /** Of an event, so far. */
  all(event) {
    return this.heard.filter(([name]) => name === event).map(([, data]) => data);
  }

  /** The first of an event that is as it should be, be it heard already or not. */
  hears(event, isRight = () => true, { timeoutMs = PATIENCE_MS } = {}) {
    return until(() => this.all(event).find(isRight), { what: `${this.name} hears ${event} ${isRight}`, timeoutMs });
  }

  leave() {
    this.socket.disconnect();
  }
}

/** Somebody who has said hello, and is in a room. */
async function visit(url, name, roomId = ROOM) {
  const visitor = new Visitor(url, name);
  visitors.push(visitor);
  visitor.hello = await visitor.ask('hello', { name });
  visitor.entered = await visitor.ask('enter', { roomId });
  expect(visitor.entered).toMatchObject({ ok: true });
  return visitor;
}

async function say(visitor, text, fields = {}) {
  const answer = await visitor.ask('say', { roomId: ROOM, text, ...fields });
  expect(answer).toMatchObject({ ok: true });
  return answer.message;
}

async function list(visitor, roomId = ROOM) {
  const answer = await visitor.ask('list', { roomId });
  expect(answer).toMatchObject({ ok: true });
  return answer;
}

const textsOf = async (visitor) => (await list(visitor)).messages.map(({ text }) => text);

/** What this file has started ends with it, visitors with their test. */
function useChat() {
  const started = [];
  afterEach(() => {
    for (const visitor of visitors.splice(0)) visitor.leave();
  });
  afterAll(() => Promise.all(started.map((program) => program.kill('SIGKILL'))));
  return (env, program = 'demo.js') => {
    const one = new Started(program, env);
    started.push(one);
    return one;
  };
}

module.exports = { ROOM, Visitor, areGone, list, say, textsOf, useChat, visit };
