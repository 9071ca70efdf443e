'use strict';

const { Refusal } = require('./refusal');

const SESSION_SECONDS = 24 * 3600;

/** One socket: its user and its room. */
class Visit {
  #backplane;
  #instance;
  /** The requests of one socket run one after the other. */
  #turn = Promise.resolve();
  #user = null;
  roomId = null;

  constructor(socket, { backplane, instance }) {
    this.socket = socket;
    this.#backplane = backplane;
    this.#instance = instance;
  }

  #inTurn(step) {
    const done = this.#turn.then(step);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** `null` before `hello`. */
  get user() {
    return this.#user;
  }

  /** Throws a Refusal before `hello`. */
  async session() {
    const { sessionCache } = this.#backplane;
    if (this.#user === null) throw new Refusal('NO_NAME', 'Say hello first.');
    const session = await sessionCache.getSession(this.socket.id);
    if (session !== null) return session;
    // Redis was emptied, or is unavailable. The socket still exists, and so does its identity.
    await this.#keepSession();
    return this.#user;
  }

  #keepSession() {
    const { id, name } = this.#user;
    return this.#backplane.sessionCache.setSession(this.socket.id, { userId: id, id, name }, SESSION_SECONDS);
  }

  #announce() {
    const { id, name } = this.#user;
    const whereabouts = { roomId: this.roomId, name, instance: this.#instance };
    return this.#backplane.setPresence(id, this.socket.id, whereabouts);
  }

  hello(user) {
    return this.#inTurn(async () => {
      if (!this.socket.connected) return;
      this.#user = user;
      await this.#keepSession();
      if (this.roomId !== null) await this.#announce();
    });
  }

  /** From the room where it was, if any. */
  enter(roomId) {
    return this.#inTurn(async () => {
      if (!this.socket.connected) return;
      if (this.roomId !== null) this.socket.leave(channelOf(this.roomId));
      this.roomId = roomId;
      this.socket.join(channelOf(roomId));
      await this.#announce();
    });
  }

  /** The socket is gone. */
  leave() {
    return this.#inTurn(async () => {
      if (this.#user === null) return;
      const gone = this.#backplane.removePresence(this.#user.id, this.socket.id);
      await Promise.all([gone, this.#backplane.sessionCache.deleteSession(this.socket.id)]);
    });
  }
}

/** Rooms of Socket.IO that are not rooms of the chat have other names. */
function channelOf(roomId) {
  return `room:${roomId}`;
}

module.exports = { Visit, channelOf };
