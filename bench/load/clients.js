'use strict';

// Many clients of the chat in one process. All clients of a room are in the same process, which
// knows the expected receivers of each message.

const { ChatClient } = require('./chat-client');
const { Ledger } = require('./ledger');

const { ports, rooms, count, rate, number } = JSON.parse(process.argv[2]);
/** How many connect at once. */
const AT_ONCE = 20;
const TICK_MS = 10;
const SETTLE_MS = 1000;

const ledger = new Ledger();
const clients = [];
/** By room: how many are in it on each instance. */
const listeners = new Map(rooms.map((room) => [room, [0, 0]]));
const lost = { disconnected: 0 };
let phase = 'warm-up';
let timers = [];

function placeOf(i) {
  return { room: rooms[i % rooms.length], instance: Math.floor(i / rooms.length) % ports.length };
}

async function open(i) {
  const { room, instance } = placeOf(i);
  const client = new ChatClient(ports[instance], {
    onMessage: (text) => ledger.heard(text, instance),
    onEnd() {
      lost.disconnected += 1;
      listeners.get(room)[instance] -= 1;
    },
  });
  await client.connected();
  await expectOk(client.ask('hello', { name: `user ${number} ${i}` }));
  await expectOk(client.ask('enter', { roomId: room }));
  listeners.get(room)[instance] += 1;
  clients.push({ client, room, instance });
}

async function expectOk(answer) {
  const { ok, code } = await answer;
  if (!ok) throw new Error(`a client was refused: ${code}`);
}

async function openAll() {
  let next = 0;
  const openSome = async () => {
    while (next < count) await open(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, openSome));
}

function say() {
  const { client, room, instance } = clients[Math.floor(Math.random() * clients.length)];
  if (!client.isOpen) return;
  const { number: message, text } = ledger.send({ phase, instance, listeners: listeners.get(room) });
  client.ask('say', { roomId: room, text }).then((answer) => ledger.answered(message, answer));
}

/** This many per second, whether or not anybody keeps up. */
function start() {
  const begun = performance.now();
  let said = 0;
  const tick = () => {
    for (const due = ((performance.now() - begun) / 1000) * rate; said < due; said += 1) say();
  };
  timers = [setInterval(tick, TICK_MS), setInterval(() => ledger.settle(), SETTLE_MS)];
}

const orders = {
  open: openAll,
  start,
  phase: ({ name }) => {
    phase = name;
  },
  stop: () => timers.forEach(clearInterval),
  result() {
    ledger.settle(true);
    return { accounts: ledger.accounts, ...lost, cpu: process.cpuUsage() };
  },
  end() {
    for (const { client } of clients) client.close();
    process.disconnect();
  },
};

require('./child').serve(orders);
