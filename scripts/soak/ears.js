'use strict';

const { until } = require('../../__test__/support/until');

/** This many numbers per publisher are remembered: a duplicate arrives soon. */
const REMEMBERED = 200;

/** A listener: receives each message once while it is alive, and nothing afterwards. */
class Ear {
  #heard = new Map();
  #tell;
  #isOver = false;
  markers = [];

  constructor(name, by, channel, tell) {
    this.name = name;
    this.kind = `${by} ${name} of ${channel}`;
    this.channel = channel;
    this.#tell = tell;
  }

  take({ from, n, marker }) {
    if (this.#isOver) this.#tell(`${this.kind}: called after its end`);
    else if (marker !== undefined) this.markers.push(marker);
    else this.#remember(from, n);
  }

  #remember(from, n) {
    if (!this.#heard.has(from)) this.#heard.set(from, []);
    const numbers = this.#heard.get(from);
    if (numbers.includes(n)) this.#tell(`${this.kind}: message ${n} of ${from} came twice`);
    numbers.push(n);
    if (numbers.length > REMEMBERED) numbers.shift();
  }

  over() {
    this.#isOver = true;
  }
}

/** The ways to listen. Each returns a function that ends it. */
const KINDS = {
  async callback(x, ear) {
    const pubSub = x.backplane.getPubSub();
    const callback = (data) => ear.take(data);
    await x.act('RedisPubSub.subscribe', () => pubSub.subscribe(ear.channel, callback));
    return () => x.act('RedisPubSub.unsubscribe', () => pubSub.unsubscribe(ear.channel, callback));
  },

  async second(x, ear) {
    const pubSub = new x.backplane.RedisPubSub();
    x.count('RedisPubSub');
    await x.act('RedisPubSub.initialize', () => pubSub.initialize());
    await x.act('RedisPubSub.subscribe', () => pubSub.subscribe(ear.channel, (data) => ear.take(data)));
    return () => x.act('RedisPubSub.close', () => pubSub.close());
  },

  /** Subscribed once its first step has begun. */
  async iteration(x, ear) {
    const messages = x.backplane.getPubSub().messages(ear.channel);
    const loop = async () => {
      for await (const { data } of messages) ear.take(data);
    };
    const ended = loop();
    x.count('RedisPubSub.messages');
    return async () => {
      await messages.return();
      await ended;
    };
  },

  text: (x, ear) => listen(x, 'subscribe', (handle) => handle.subscribe(ear.channel, (text) => ear.take(JSON.parse(text)))),
  bytes: (x, ear) => listen(x, 'subscribe', (handle) => handle.subscribe([ear.channel], (bytes) => ear.take(JSON.parse(bytes)), true)),
  pattern: (x, ear) => listen(x, 'pSubscribe', (handle) => handle.pSubscribe(`${ear.channel}*`, (text) => ear.take(JSON.parse(text)))),
  events: (x, ear) => listen(x, 'subscribe', (handle) => {
    handle.on('message', (_channel, text) => ear.take(JSON.parse(text)));
    return handle.subscribe(ear.channel);
  }),
};

/** The kinds that are callbacks of one pub/sub. */
const SHARED = ['callback', 'iteration'];

async function listen(x, name, subscribe) {
  const handle = x.backplane.createSubscriber();
  x.count('createSubscriber');
  await x.act(`Client.${name}`, () => subscribe(handle));
  return () => x.act('Client.quit', () => handle.quit());
}

/** All listeners on one instance of those that receive each other's messages. */
class Ears {
  #x;
  #tell;
  #alive = new Map();
  #numbers = 0;

  constructor(x, tell) {
    this.#x = x;
    this.#tell = tell;
  }

  get size() {
    return this.#alive.size;
  }

  async open(kind, channel) {
    const ear = new Ear(kind, this.#x.name, channel, this.#tell);
    this.#alive.set(ear, await KINDS[kind](this.#x, ear));
  }

  async end(ear) {
    const end = this.#alive.get(ear);
    if (!this.#alive.delete(ear)) return;
    await end();
    ear.over();
  }

  all() {
    return [...this.#alive.keys()];
  }

  /** How many subscriptions the server must have for a channel. */
  wanted(channel) {
    const kinds = this.all().filter((ear) => ear.channel === channel).map(({ name }) => name);
    const ofShared = kinds.some((kind) => SHARED.includes(kind)) ? 1 : 0;
    return ofShared + kinds.filter((kind) => kind !== 'pattern' && !SHARED.includes(kind)).length;
  }

  async publish(channel) {
    this.#numbers += 1;
    const message = { from: this.#x.name, n: this.#numbers };
    if (this.#numbers % 2 === 0) await this.#x.call('publish', channel, message);
    else await this.#x.act('RedisPubSub.publish', () => this.#x.backplane.getPubSub().publish(channel, message));
  }

  async endAll() {
    for (const ear of this.all()) await this.end(ear);
  }
}

/** Every one of these listeners receives each marker once. */
async function expectEachOnce(publisher, groups, channels, tell) {
  for (const channel of channels) await publisher.call('publish', channel, { marker: channel });
  const ears = groups.flatMap((group) => group.all());
  await until(() => ears.every(({ markers }) => markers.length > 0), { what: 'every marker' }).catch(() => {});
  // A duplicate has arrived by then.
  for (const channel of channels) await publisher.call('publish', channel, { marker: 'last' });
  await until(() => ears.every(({ markers }) => markers.includes('last')), { what: 'the last marker' }).catch(() => {});
  for (const { kind, channel, markers } of ears) {
    if (String(markers) !== `${channel},last`) tell(`${kind}: heard [${markers}] and not each marker once`);
  }
  return ears.length;
}

module.exports = { Ear, Ears, KINDS: Object.keys(KINDS), expectEachOnce };
