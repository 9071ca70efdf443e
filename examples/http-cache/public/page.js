'use strict';

/* global document, history, location, addEventListener */

// Sends requests and shows the answers. All text goes through textContent.

const STEP = 3;
const form = document.getElementById('form');
const picture = document.getElementById('picture');
/** The displayed query, and its width in the plane. */
const shown = { query: '', span: 3.6 };
/** An answer that was overtaken by a later request is not shown. */
let latest = 0;

const STORES = { redis: 'Redis', memory: 'this server’s memory' };
const OUTCOMES = {
  hit: ({ source, computeMs }) => `from ${STORES[source]}. Computing it had taken ${duration(computeMs)}.`,
  miss: ({ source }) => `to compute it. It is now kept in ${STORES[source]} for 10 minutes.`,
  shared: () => 'for a computation that somebody else had just asked for: one for both.',
};

function duration(ms) {
  if (ms < 10) return `${ms.toFixed(1)}\u00a0ms`;
  return ms < 10_000 ? `${Math.round(ms)}\u00a0ms` : `${(ms / 1000).toFixed(1)}\u00a0s`;
}

function say(words, outcome, ms) {
  const badge = document.getElementById('outcome');
  badge.hidden = false;
  badge.textContent = outcome;
  badge.dataset.outcome = outcome;
  document.getElementById('time').textContent = ms === undefined ? '' : duration(ms);
  document.getElementById('words').textContent = words;
}

/** Returns the body, or throws an error whose message can be shown. */
async function call(method, url) {
  const response = await fetch(url, { method }).catch(() => {
    throw new Error('The server does not answer.');
  });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body;
}

async function ask(query) {
  latest += 1;
  const mine = latest;
  picture.setAttribute('aria-busy', 'true');
  try {
    const answer = await call('GET', `api/picture?${query}`);
    if (mine === latest) show(answer, query);
  } catch (error) {
    if (mine === latest) say(error.message, 'error');
  } finally {
    if (mine === latest) picture.removeAttribute('aria-busy');
  }
}

function show(answer, query) {
  const { x, y, zoom, image, span, outcome } = answer;
  Object.assign(shown, { query, span });
  picture.src = `data:image/png;base64,${image}`;
  picture.alt = `The Mandelbrot set around x ${x}, y ${y}, ${zoom} times enlarged`;
  say(OUTCOMES[outcome](answer), outcome, answer.ms);
}

function fill(query) {
  for (const [name, value] of new URLSearchParams(query)) {
    const field = form.elements.namedItem(name);
    if (field) field.value = value;
  }
}

/** A separate entry in the browser's history, so that "back" is a hit. */
function visit(query) {
  fill(query);
  if (`?${query}` !== location.search) history.pushState(null, '', `?${query}`);
  return ask(query);
}

function fieldsNow() {
  return new URLSearchParams(new FormData(form)).toString();
}

/** Zooms by `factor` towards a point of the picture, each way from -0.5 to 0.5. */
function zoomBy(factor, right = 0, up = 0) {
  const { x, y, zoom } = Object.fromEntries(['x', 'y', 'zoom'].map((name) => [name, form.elements.namedItem(name)]));
  const height = (shown.span * picture.height) / picture.width;
  const digits = 4 + Math.ceil(Math.log10(zoom.valueAsNumber * STEP));
  set(x, x.valueAsNumber + right * shown.span, digits);
  set(y, y.valueAsNumber + up * height, digits);
  set(zoom, zoom.valueAsNumber * factor, 0);
  visit(fieldsNow());
}

function set(field, value, digits) {
  const within = Math.min(Math.max(value, Number(field.min)), Number(field.max));
  field.value = String(Number(within.toFixed(digits)));
}

async function forget(url, words) {
  try {
    say(words(await call('DELETE', url)), 'forgotten');
  } catch (error) {
    say(error.message, 'error');
  }
}

function onClick(id, listener) {
  document.getElementById(id).addEventListener('click', listener);
}

function zoomToClick({ offsetX, offsetY }) {
  zoomBy(STEP, offsetX / picture.width - 0.5, 0.5 - offsetY / picture.height);
}

onClick('again', () => ask(shown.query || fieldsNow()));
onClick('forget', () => forget(`api/picture?${shown.query || fieldsNow()}`, () => 'Ask again: it will be a miss.'));
onClick('forget-all', () => forget('api/pictures', ({ removed }) => `${removed} in all. Whatever you ask next is a miss.`));
onClick('closer', () => zoomBy(STEP));
onClick('farther', () => zoomBy(1 / STEP));
picture.addEventListener('click', zoomToClick);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  visit(fieldsNow());
});
for (const button of document.querySelectorAll('[data-place]')) {
  button.addEventListener('click', () => visit(button.dataset.place));
}

function start() {
  const query = location.search.slice(1);
  fill(query);
  ask(query || fieldsNow());
}
addEventListener('popstate', start);
start();
