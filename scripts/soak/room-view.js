'use strict';

/** The members of a room as a watcher sees them, starting from an empty room. */
class RoomView {
  #there = new Set();
  events = 0;

  constructor(what, tell) {
    this.take = ({ type, socketId }) => {
      this.events += 1;
      if (this.#there.has(socketId) === (type === 'join')) tell(`${what}: ${type} of ${socketId} told twice`);
      if (type === 'join') this.#there.add(socketId);
      if (type === 'leave') this.#there.delete(socketId);
    };
  }

  get size() {
    return this.#there.size;
  }
}

module.exports = { RoomView };
