'use strict';

/* global document, EventSource */

// What the server pushes: the state of Redis, and all visitors' requests.

const KEPT = 12;
const requests = document.getElementById('requests');
const NAMES = {
  connecting: 'Connecting to Redis…',
  ready: 'Redis is ready',
  memory: 'Memory mode: Redis is away',
  lost: 'The demo’s server is gone',
};

function setText(id, text) {
  const element = document.getElementById(id);
  // Writing the same text again would make a screen reader announce it again.
  if (element.textContent !== text) element.textContent = text;
}

function clock(at) {
  return new Date(at).toLocaleTimeString([], { hourCycle: 'h23', hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

function seconds(ms) {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const whole = Math.round(ms / 1000);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

function span(className, text) {
  const element = document.createElement('span');
  element.className = className;
  element.textContent = text;
  return element;
}

function item(...parts) {
  const element = document.createElement('li');
  // Spaces separate the words when they are read aloud or copied.
  element.append(...parts.flatMap((part) => [part, ' ']));
  return element;
}

function showState(state, since, hint) {
  document.getElementById('state').dataset.state = state;
  setText('state-name', NAMES[state]);
  setText('state-since', since);
  document.getElementById('state-hint').replaceChildren(...hint);
}

const HINTS = {
  connecting: () => [],
  ready: () => ['Stop it, and pictures are kept in this server’s memory instead, without an error.'],
  memory: ({ text, commands }) => [
    `Pictures are kept in this server’s memory. ${text} `,
    ...commands.flatMap((command, at) => (at === 0 ? [code(command)] : [' or ', code(command)])),
  ],
};

function code(text) {
  const element = document.createElement('code');
  element.textContent = text;
  return element;
}

function story({ state, reason, before, afterMs }) {
  if (state === 'connecting') return 'Connecting';
  if (state === 'memory') return before === 'ready' ? `Degraded, after ${seconds(afterMs)} with Redis. ${reason}` : `Memory mode. ${reason}`;
  return before === 'memory' ? `Recovered, after ${seconds(afterMs)} without Redis` : 'Redis is ready';
}

function onState({ history, hint }) {
  const [now] = history;
  showState(now.state, `since ${clock(now.at)}`, HINTS[now.state](hint));
  const items = history.map((change) => {
    const element = item(span('quiet', clock(change.at)), span('dot', ''), span('', story(change)));
    element.dataset.state = change.state;
    return element;
  });
  document.getElementById('history').replaceChildren(...items);
}

function line({ at, outcome, source, ms, what }) {
  const badge = span('badge', outcome);
  badge.dataset.outcome = /^\d/.test(outcome) ? 'error' : outcome;
  return item(span('quiet', clock(at)), badge, span('', source), span('ms', `${ms.toFixed(1)} ms`), span('what quiet', what));
}

function onRequests(list) {
  if (list.length > 0) requests.replaceChildren(...list.map(line));
}

function onRequest(request) {
  const lines = [...requests.querySelectorAll(':scope > li:not(.quiet)')];
  requests.replaceChildren(line(request), ...lines.slice(0, KEPT - 1));
}

function listen() {
  const events = new EventSource('api/live');
  const on = (name, show) => events.addEventListener(name, ({ data }) => show(JSON.parse(data)));
  on('state', onState);
  on('requests', onRequests);
  on('request', onRequest);
  events.addEventListener('error', () => showState('lost', '', ['This page goes on trying to reach it.']));
  return events;
}

// A browser opens six connections to a server: six listening tabs would leave none for requests.
let events = null;
function followVisibility() {
  events?.close();
  events = document.hidden ? null : listen();
}
document.addEventListener('visibilitychange', followVisibility);
followVisibility();
