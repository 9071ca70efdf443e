'use strict';

const { execFileSync, fork } = require('node:child_process');
const path = require('node:path');
const { until } = require('../support');
const { useStage } = require('../support/stage');

const CALLER = path.join(__dirname, '..', 'programs', 'steady-caller.js');
const COMMAND_TIMEOUT_MS = 300;
const SLACK_MS = 100;

/** The answer that lets calls in, and the end of the connection, arrive together. */
describe('a server whose last words are that it would serve', () => {
  const stage = useStage();
  let caller;

  afterEach(() => caller?.kill('SIGKILL'));

  function startCaller(options) {
    caller = fork(CALLER, [JSON.stringify(options)]);
    const reports = [];
    caller.on('message', (report) => reports.push(report));
    return reports;
  }

  /** Stops the process, so that whatever it is sent meanwhile arrives at once. */
  async function stopCaller() {
    caller.kill('SIGSTOP');
    const state = () => execFileSync('ps', ['-o', 'stat=', '-p', caller.pid]).toString();
    await until(() => state().startsWith('T'), { what: 'the process is stopped' });
  }

  /** Holds back what a proxied server answers when it is asked whether it would serve. */
  async function untilItWouldServe(proxy) {
    let isAsked = false;
    let isAnswered = false;
    proxy.onRequest((chunk) => {
      if (!chunk.includes('SETRANGE')) return;
      isAsked = true;
      proxy.stallReplies();
    });
    proxy.onReply(() => {
      isAnswered = isAsked;
    });
    await until(() => isAnswered, { what: 'the server has said that it would serve' });
  }

  it('case 14: is away: calls are answered from memory, in time', async () => {
    const redis = await stage.redis();
    const proxy = await stage.proxy(redis);
    const reports = startCaller({ url: proxy.url, connectTimeoutMs: 3000, commandTimeoutMs: COMMAND_TIMEOUT_MS });
    await until(() => reports.some(({ status }) => status === 'ready'), { what: 'the process is connected' });
    proxy.cut();
    await untilItWouldServe(proxy);
    await stopCaller();
    const [link] = proxy.links;
    proxy.flow();
    link.reset();
    proxy.blackhole();
    caller.send('write');
    const since = Date.now();
    caller.kill('SIGCONT');
    const calls = () => reports.filter(({ begunAt }) => begunAt >= since);
    await until(() => calls().length >= 20, { what: 'twenty calls' });
    const wrong = calls().filter(({ isRight, ms }) => !isRight || ms > COMMAND_TIMEOUT_MS + SLACK_MS);
    expect(wrong).toEqual([]);
  });
});
