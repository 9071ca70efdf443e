import { byId, make, say } from './dom.js';

const TYPING_LASTS_MS = 4000;

/** The users in the room, with all of their sockets. */
export function createPeople({ isMe }) {
  const people = new Map();
  /**
   * Changes since the list of users was requested: the answer may be older. Null: no request is
   * pending.
   */
  let since = null;

  function ask() {
    since = [];
  }

  function show(present) {
    people.clear();
    for (const { userId, name, sockets } of present) {
      people.set(userId, { name, sockets: new Map(sockets.map(({ socketId, instance }) => [socketId, instance])) });
    }
    since?.forEach(apply);
    since = null;
    draw();
  }

  function happened(event) {
    since?.push(event);
    apply(event);
    draw();
  }

  function apply({ type, person: { userId, name, socketId, instance } }) {
    if (type === 'leave') {
      people.get(userId)?.sockets.delete(socketId);
      if (people.get(userId)?.sockets.size === 0) people.delete(userId);
    } else {
      if (!people.has(userId)) people.set(userId, { name, sockets: new Map() });
      people.get(userId).name = name;
      people.get(userId).sockets.set(socketId, instance);
    }
  }

  function draw() {
    const each = [...people].sort(([, a], [, b]) => a.name.localeCompare(b.name));
    byId('people').replaceChildren(...each.map(([userId, { name, sockets }]) => {
      const where = [...new Set(sockets.values())].sort().join(', ');
      return make('li', {}, `${name}${isMe(userId) ? ' (you)' : ''} `, make('small', {}, `on ${where}`));
    }));
    say(byId('people-count'), String(people.size));
  }

  return { ask, happened, show };
}

/** The users who are typing: each for a while, unless they continue. */
export function createTyping() {
  const timers = new Map();

  function heard({ userId, name, isTyping }) {
    clearTimeout(timers.get(userId)?.timer);
    timers.delete(userId);
    if (isTyping) {
      const timer = setTimeout(() => heard({ userId, name, isTyping: false }), TYPING_LASTS_MS);
      timers.set(userId, { name, timer });
    }
    draw();
  }

  function draw() {
    const names = [...timers.values()].map(({ name }) => name);
    const who = names.length > 2 ? 'Several people' : names.join(' and ');
    say(byId('typing'), names.length === 0 ? '' : `${who} ${names.length === 1 ? 'is' : 'are'} typing …`);
  }

  function clear() {
    for (const { timer } of timers.values()) clearTimeout(timer);
    timers.clear();
    draw();
  }

  return { clear, heard };
}
