import { createComposer } from './composer.js';
import { connect } from './connection.js';
import { byId, make, say } from './dom.js';
import { createMessageList } from './message-list.js';
import { createPanel } from './panel.js';
import { createPeople, createTyping } from './people.js';
import { askName, knownName } from './who.js';

const GOOD_NEWS_MS = 6000;
const narrow = matchMedia('(max-width: 760px)');

const { socket, ask } = connect();
/** `view`: the content of the middle, as `{ kind: 'room' | 'thread' | 'search', … }`. */
const state = { user: null, rooms: [], roomId: null, view: { kind: 'room' }, redis: null };
/**
 * Messages that arrived since a list was requested, which may be older. Null: no list is in
 * transit.
 */
let heard = null;
const isMe = (userId) => userId === state.user?.id;
const list = createMessageList({ isMine: ({ userId }) => isMe(userId), onReply: ({ id }) => look({ kind: 'thread', parentId: id }), onEdit: (message) => composer.edit(message) });
const people = createPeople({ isMe });
const typing = createTyping();
const panel = createPanel();
const composer = createComposer({
  onSend: (text, editing) => (editing === null ? sayIt(text) : ask('edit', { messageId: editing.id, text })),
  onTyping: (isTyping) => socket.emit('typing', { roomId: state.roomId, isTyping }),
});

async function sayIt(text) {
  const { kind, parentId } = state.view;
  const { message } = await ask('say', { roomId: state.roomId, text, ...(kind === 'thread' && { parentId }) });
  if (kind === 'search') await look({ kind: 'room' });
  else if (isInView(message)) list.add(message);
}

/** Also after a reconnect: the previous state may be outdated. */
async function arrive() {
  const welcome = await hello(knownName() ?? (await askName()));
  state.rooms = welcome.rooms;
  say(byId('instance'), welcome.instance);
  showOthers(welcome.others);
  byId('redis-switch').hidden = !welcome.canControlRedis;
  showRedis(welcome.redis);
  watchStats();
  await enter(state.roomId ?? roomFromAddress() ?? state.rooms[0].id, state.view);
}

/** Not every name is allowed. */
async function hello(name) {
  try {
    const welcome = await ask('hello', { name });
    state.user = welcome.user;
    say(byId('rename'), `You are ${welcome.user.name}`);
    return welcome;
  } catch (error) {
    if (error.code !== 'INVALID_NAME') throw error;
    return hello(await askName(name, error.message));
  }
}

function roomFromAddress() {
  const named = decodeURIComponent(location.hash.slice(1));
  return state.rooms.find(({ id }) => id === named)?.id;
}

async function enter(roomId, view = { kind: 'room' }) {
  state.roomId = roomId;
  history.replaceState(null, '', `#${encodeURIComponent(roomId)}`);
  typing.clear();
  drawRooms();
  people.ask();
  heard = [];
  const { messages, people: present } = await ask('enter', { roomId });
  if (state.roomId !== roomId) return;
  people.show(present);
  if (view.kind === 'room') showRoom(messages);
  else await look(view);
}

/** Shows a room, a thread or the search results. */
async function look(view) {
  const { roomId } = state;
  state.view = view;
  composer.edit(null);
  heard = [];
  if (view.kind === 'thread') {
    const { parent, messages } = await ask('thread', { roomId, parentId: view.parentId });
    if (state.view === view) showList(`Replies to ${parent.name}`, '', [parent, ...messages], '');
  } else if (view.kind === 'search') {
    const { messages } = await ask('search', { roomId, text: view.text });
    if (state.view === view) showList(`“${view.text}”`, `${messages.length} found`, messages, 'Nothing was found.');
  } else {
    const { messages } = await ask('list', { roomId });
    if (state.view === view && state.roomId === roomId) showRoom(messages);
  }
}

function showRoom(messages) {
  state.view = { kind: 'room' };
  const { name, topic } = state.rooms.find(({ id }) => id === state.roomId);
  showList(name, topic, messages, 'Nobody has said anything yet.');
}

function showList(title, topic, messages, nothing) {
  say(byId('talk-title'), title);
  say(byId('topic'), topic);
  byId('back').hidden = state.view.kind === 'room';
  byId('text').placeholder = state.view.kind === 'thread' ? 'Write a reply' : 'Write a message';
  list.show(messages, { nothing, hasReplies: state.view.kind !== 'thread' });
  heard?.filter(isInView).forEach(list.add);
  heard = null;
}

function isInView({ id, parentId, roomId }) {
  const { kind, parentId: thread } = state.view;
  if (roomId !== state.roomId) return false;
  return kind === 'thread' ? parentId === thread || id === thread : kind === 'room' && parentId === null;
}

async function rename() {
  await hello(await askName(state.user.name));
  await enter(state.roomId);
}

function drawRooms() {
  byId('rooms').replaceChildren(...state.rooms.map(({ id, name }) => {
    const button = make('button', { type: 'button', onclick: () => go(id) }, name);
    if (id === state.roomId) button.setAttribute('aria-current', 'true');
    return make('li', {}, button);
  }));
}

function go(roomId) {
  setView('talk');
  enter(roomId).catch(complain);
}

function showOthers(others) {
  byId('others').replaceChildren(...others.map(({ instance, url }) => make('a', { href: url, target: '_blank', rel: 'noopener' }, `Open instance ${instance}`)));
}

function showRedis(status) {
  const was = state.redis;
  state.redis = status;
  const isAway = status !== 'ok';
  byId('redis-state').className = isAway ? 'state degraded' : 'state';
  say(byId('redis-state'), isAway ? 'Redis is away' : 'Redis is there');
  say(byId('redis-switch'), isAway ? 'Start Redis' : 'Stop Redis');
  if (isAway) banner('Degraded: Redis is away. This instance chats by itself; it will hear the others again when Redis is back.');
  else if (was === 'degraded') banner('Redis is back: the instances hear each other again.', true);
}

function banner(text, isGood = false) {
  const element = byId('banner');
  element.hidden = false;
  element.className = isGood ? 'banner good' : 'banner';
  say(element, text);
  clearTimeout(banner.timer);
  if (isGood) banner.timer = setTimeout(() => (element.hidden = true), GOOD_NEWS_MS);
}

function setView(view) {
  document.body.dataset.view = view;
  for (const tab of document.querySelectorAll('.tabs button')) tab.toggleAttribute('aria-current', tab.dataset.view === view);
  watchStats();
}

/** Nothing is counted for a hidden panel. */
function watchStats() {
  if (state.user === null) return;
  const on = !document.hidden && (!narrow.matches || document.body.dataset.view === 'panel');
  ask('watchStats', { on }).catch(complain);
}

/** The page continues; its next request will be answered. */
function complain(error) {
  banner(error.code ? error.message : 'The server does not answer.');
}

socket.on('connect', () => arrive().catch(complain));
socket.on('disconnect', () => banner('The connection is lost; trying again …'));
socket.io.on('reconnect', () => (byId('banner').hidden = true));
socket.on('message', ({ message }) => {
  typing.heard({ userId: message.userId, isTyping: false });
  heard?.push(message);
  if (isInView(message)) list.add(message);
  else if (message.parentId !== null && state.view.kind === 'room') list.replied(message.parentId);
});
socket.on('edited', ({ message }) => {
  heard?.push(message);
  list.update(message);
});
socket.on('analysis', ({ messageId, analysis }) => list.analysed(messageId, analysis));
socket.on('presence', (event) => event.roomId === state.roomId && people.happened(event));
socket.on('typing', (who) => typing.heard(who));
socket.on('stats', (stats) => panel.show(stats));
socket.on('redis', ({ status }) => {
  showRedis(status);
  // The reachable users have changed, and the messages of the others are available.
  if (state.user !== null) enter(state.roomId, state.view).catch(complain);
});

byId('back').addEventListener('click', () => look({ kind: 'room' }).catch(complain));
byId('search').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = new FormData(event.target).get('text').trim();
  look(text === '' ? { kind: 'room' } : { kind: 'search', text }).catch(complain);
});
byId('redis-switch').addEventListener('click', async ({ target }) => {
  target.disabled = true;
  await ask('redis', { run: state.redis !== 'ok' }).catch(complain);
  target.disabled = false;
});
byId('rename').addEventListener('click', () => rename().catch(complain));
for (const tab of document.querySelectorAll('.tabs button')) tab.addEventListener('click', () => setView(tab.dataset.view));
document.addEventListener('visibilitychange', watchStats);
narrow.addEventListener('change', watchStats);
setView('talk');
