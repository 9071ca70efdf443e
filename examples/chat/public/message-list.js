import { byId, make } from './dom.js';

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'short' });
/** A user who reads older messages is not scrolled away. */
const NEAR_END_PX = 80;

/** The list of messages of a room, a thread or a search. `onReply` and `onEdit` get a message. */
export function createMessageList({ onReply, onEdit, isMine }) {
  const list = byId('messages');
  const shown = new Map();
  let withReplies = true;

  function show(messages, { nothing, hasReplies }) {
    withReplies = hasReplies;
    shown.clear();
    list.replaceChildren(...messages.map(draw));
    if (messages.length === 0) list.append(make('li', { className: 'nothing' }, nothing));
    list.scrollTop = list.scrollHeight;
  }

  function add(message) {
    if (shown.has(message.id)) {
      update(message);
      return;
    }
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END_PX;
    list.querySelector('.nothing')?.remove();
    const item = draw(message);
    item.classList.add('new');
    list.append(item);
    if (isAtEnd || isMine(message)) list.scrollTop = list.scrollHeight;
  }

  function update(message) {
    const known = shown.get(message.id);
    if (known) replace(known.item, draw({ ...known.message, ...message }));
  }

  function analysed(id, analysis) {
    const known = shown.get(id);
    if (known) update({ ...known.message, analysis });
  }

  function replied(parentId) {
    const known = shown.get(parentId);
    if (known) update({ ...known.message, replies: known.message.replies + 1 });
  }

  function draw(message) {
    const { name, at, editedAt, text, analysis } = message;
    const item = make(
      'li',
      { className: isMine(message) ? 'message mine' : 'message' },
      make(
        'div',
        { className: 'by' },
        make('b', {}, name),
        make('time', { dateTime: new Date(at).toISOString() }, when(at)),
        editedAt === null ? null : make('span', { className: 'edited' }, 'edited'),
        drawActions(message)
      ),
      make('p', { className: 'body' }, text),
      analysis && make('p', { className: 'analysis' }, describe(analysis))
    );
    shown.set(message.id, { item, message });
    return item;
  }

  function drawActions(message) {
    const { replies, name } = message;
    const actions = make('span', { className: 'actions' });
    if (isMine(message)) actions.append(button('Edit', 'Edit your message', () => onEdit(message)));
    if (withReplies && message.parentId === null) {
      const label = replies > 0 ? `${replies} ${replies === 1 ? 'reply' : 'replies'}` : 'Reply';
      actions.append(button(label, `${label} to ${name}`, () => onReply(message)));
    }
    return actions;
  }

  return { add, analysed, replied, show, update };
}

/** The focus stays in place. */
function replace(item, next) {
  const focused = [...item.querySelectorAll('button')].indexOf(document.activeElement);
  item.replaceWith(next);
  if (focused >= 0) next.querySelectorAll('button')[focused]?.focus();
}

function button(text, label, onclick) {
  const made = make('button', { type: 'button', className: 'quiet', onclick }, text);
  made.setAttribute('aria-label', label);
  return made;
}

function when(at) {
  const isToday = new Date(at).toDateString() === new Date().toDateString();
  return (isToday ? TIME : DAY_AND_TIME).format(at);
}

/** The server's analysis of a text. */
function describe({ words, readingEase, keywords, closest, instance }) {
  const parts = [`${words} ${words === 1 ? 'word' : 'words'}`];
  if (readingEase !== null) parts.push(`reading ease ${Math.round(readingEase)}`);
  if (keywords.length > 0) parts.push(keywords.slice(0, 3).join(', '));
  if (closest !== null) parts.push(`like ${closest.speaker} in ${closest.play}`);
  return `${parts.join(' · ')} (${instance})`;
}
