'use strict';

const { uniquePrefix } = require('./support');
const { onRedis } = require('./support/places');
const { dice } = require('./support/random');

const SEED = Number(process.env.EVICTION_SEED ?? Date.now() % 2 ** 31);
/** Of each seed; some 1,500 a second. */
const STEPS = Number(process.env.EVICTION_STEPS ?? 6000);

jest.setTimeout(60_000 + STEPS * 20);

const SOCKETS = 8;
const USERS = 4;
const ROOMS = 3;

/**
 * What may be read under a name: the value that was set last, or nothing. `isCertain`: it has to be there, as
 * no key was deleted since. What was found to be gone stays so.
 */
class Model {
  #known = new Map();

  set(name, value) {
    this.#known.set(name, { value, isCertain: true });
  }

  remove(name) {
    this.#known.delete(name);
  }

  removeIf(is) {
    for (const [name, { value }] of this.#known) if (is(value, name)) this.#known.delete(name);
  }

  doubtAll() {
    for (const known of this.#known.values()) known.isCertain = false;
  }

  expectRead(name, found) {
    const known = this.#known.get(name);
    if (found === null) {
      expect([name, 'is lost', known?.isCertain ?? false]).toEqual([name, 'is lost', false]);
      this.#known.delete(name);
    } else {
      expect([name, found]).toEqual([name, known?.value]);
    }
  }
}

/** Random calls on two processes, and now and then a random key of theirs is gone. */
class Run {
  constructor(seed, place, keyPrefix, backplanes) {
    Object.assign(this, dice(seed), { place, keyPrefix, backplanes });
    this.models = { sessions: new Model(), queries: new Model(), messages: new Model(), values: new Model() };
    /** By id: `{ user, rooms, isCertain }`. Each is always of one process. */
    this.sockets = new Map();
    this.count = 0;
  }

  get any() {
    return this.pick(this.backplanes);
  }

  user() {
    return `u${this.below(USERS)}`;
  }

  room() {
    return `r${this.below(ROOMS)}`;
  }

  async step() {
    this.count += 1;
    const calls = [
      this.evict, this.setSession, this.getSession, this.getSession, this.endSessions, this.deleteSession, this.setQuery, this.getQuery, this.getQuery,
      this.endQueries, this.setMessage, this.getMessage, this.clearMessages, this.setValue, this.getValue, this.setPresence, this.setPresence,
      this.removePresence, this.readRoom, this.readRoom, this.readUser, this.readOwnRoom, this.others,
    ];
    await this.pick(calls).call(this);
  }

  async evict() {
    const keys = await this.place.redis.command('KEYS', `${this.keyPrefix}*`);
    const gone = this.shuffle(keys).slice(0, 1 + this.below(3));
    if (gone.length > 0) await this.place.redis.command('UNLINK', ...gone);
    for (const model of Object.values(this.models)) model.doubtAll();
    for (const socket of this.sockets.values()) socket.isCertain = false;
  }

  async setSession() {
    const [name, data] = [`s${this.below(SOCKETS)}`, { n: this.count, userId: this.user(), ...(this.below(2) && { email: `${this.user()}@x.com` }) }];
    expect(await this.any.sessionCache.setSession(name, data)).toBe(true);
    this.models.sessions.set(name, data);
  }

  async getSession() {
    const name = `s${this.below(SOCKETS)}`;
    this.models.sessions.expectRead(name, await this.any.sessionCache.getSession(name));
  }

  async deleteSession() {
    const name = `s${this.below(SOCKETS)}`;
    await this.any.sessionCache.deleteSession(name);
    this.models.sessions.remove(name);
  }

  async endSessions() {
    const user = this.pick([this.user(), `${this.user()}@x.com`]);
    await this.any.sessionCache.invalidateUserSessions(user);
    this.models.sessions.removeIf(({ userId, email }) => userId === user || email === user);
  }

  query() {
    return { name: `q${this.below(2)}`, params: { roomId: this.room(), page: this.below(2) } };
  }

  async setQuery() {
    const { name, params } = this.query();
    const kept = await this.any.queryCache.set(name, params, this.count);
    // A fenced set keeps nothing, and leaves what there was.
    if (kept) this.models.queries.set(JSON.stringify([name, params]), this.count);
  }

  async getQuery() {
    const { name, params } = this.query();
    this.models.queries.expectRead(JSON.stringify([name, params]), await this.any.queryCache.get(name, params));
  }

  async endQueries() {
    const [room, name] = [this.room(), `q${this.below(2)}`];
    if (this.below(2)) {
      await this.any.queryCache.invalidateRoom(room);
      this.models.queries.removeIf((_value, text) => JSON.parse(text)[1].roomId === room);
    } else {
      await this.any.queryCache.invalidateQuery(name);
      this.models.queries.removeIf((_value, text) => JSON.parse(text)[0] === name);
    }
  }

  // Messages have memory before Redis, so only one process asks for them.
  async setMessage() {
    const name = `m${this.below(4)}`;
    await this.backplanes[0].messageCache.set(name, this.count);
    this.models.messages.set(name, this.count);
  }

  async getMessage() {
    const name = `m${this.below(4)}`;
    const found = await this.backplanes[0].messageCache.get(name);
    // In memory it may have outlived what was read on Redis.
    if (found !== null) this.models.messages.expectRead(name, found);
  }

  async clearMessages() {
    await this.backplanes[0].messageCache.clear();
    this.models.messages.removeIf(() => true);
  }

  async setValue() {
    const name = `v${this.below(4)}`;
    expect(await this.any.cacheSet(name, this.count)).toBe(true);
    this.models.values.set(name, this.count);
  }

  async getValue() {
    const name = `v${this.below(4)}`;
    this.models.values.expectRead(name, await this.any.cacheGet(name));
  }

  ownerOf(id) {
    return this.backplanes[Number(id.at(-1)) % 2];
  }

  async setPresence() {
    const id = `p${this.below(SOCKETS)}`;
    const [user, rooms] = [this.user(), [...new Set([this.room(), this.room()])]];
    const metadata = { roomId: rooms, n: this.count };
    expect(await this.ownerOf(id).setPresence(user, id, metadata, 600)).toBe(true);
    this.sockets.set(id, { user, rooms, metadata, isCertain: true });
  }

  async removePresence() {
    const id = `p${this.below(SOCKETS)}`;
    const known = this.sockets.get(id);
    if (known === undefined) return;
    expect(await this.ownerOf(id).removePresence(known.user, id)).toBe(true);
    this.sockets.delete(id);
    for (const backplane of this.backplanes) {
      for (const room of known.rooms) expect((await backplane.getRoomPresence(room)).map(({ socketId }) => socketId)).not.toContain(id);
      expect((await backplane.getUserPresence(known.user)).map(({ socketId }) => socketId)).not.toContain(id);
    }
  }

  expectSockets(found, isWhere) {
    const ids = found.map(({ socketId }) => socketId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { socketId, userId, n, roomId } of found) {
      const known = this.sockets.get(socketId);
      expect([socketId, { user: userId, n, roomId }]).toEqual([socketId, known && { user: known.user, ...known.metadata }]);
    }
    for (const [id, socket] of this.sockets) if (socket.isCertain && isWhere(socket)) expect(ids).toContain(id);
  }

  async readRoom() {
    const room = this.room();
    this.expectSockets(await this.any.getRoomPresence(room), ({ rooms }) => rooms.includes(room));
  }

  async readUser() {
    const name = this.user();
    this.expectSockets(await this.any.getUserPresence(name), ({ user }) => user === name);
  }

  /** A process sees that its own are gone, and sets them again. */
  async readOwnRoom() {
    const [room, which] = [this.room(), this.below(2)];
    const users = await this.backplanes[which].getOnlineUsersInRoom(room);
    for (const [id, { user, rooms }] of this.sockets) {
      if (this.ownerOf(id) === this.backplanes[which] && rooms.includes(room)) expect([id, users]).toEqual([id, expect.arrayContaining([user])]);
    }
  }

  /** What an evicted lock or limit means is documented; they answer all the same. */
  async others() {
    const name = `k${this.below(2)}`;
    const { allowed, count, limit } = await this.any.checkRateLimit(name, 5, 60, { algorithm: this.pick(['fixed-window', 'sliding-window', 'token-bucket']) });
    expect([typeof allowed, count <= limit]).toEqual(['boolean', true]);
    const held = await this.any.lock(name, { ttlSeconds: 60 });
    if (held === null) return;
    await this.pick([() => this.evict(), async () => {}])();
    expect(typeof (await held.extend())).toBe('boolean');
    expect(typeof (await held.release())).toBe('boolean');
  }
}

test(`random keys are lost between random calls (EVICTION_SEED=${SEED})`, async () => {
  const place = await onRedis();
  const keyPrefix = uniquePrefix();
  const backplanes = [await place.open({ keyPrefix }), await place.open({ keyPrefix })];
  const run = new Run(SEED, place, keyPrefix, backplanes);
  try {
    while (run.count < STEPS) await run.step();
  } catch (error) {
    error.message = `EVICTION_SEED=${SEED}, step ${run.count}: ${error.message}`;
    throw error;
  } finally {
    await place.end();
  }
});
