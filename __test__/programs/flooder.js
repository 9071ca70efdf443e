'use strict';

// Publishes as much as one connection takes, from a line on stdin until the time is over, and
// then one message more. Prints how many messages there were.

const net = require('node:net');
const { encodeCommand } = require('../../scripts/resp');

const { port, channel, bytes, forMs } = JSON.parse(process.argv[2]);
const BATCH = 500;
/** Published, and not answered yet. */
const MOST_AHEAD = 40 * BATCH;
/** Numbers begin here, so that all have the same length. */
const FIRST = 10_000_000;
const DIGITS = String(FIRST).length;
const ANSWER_BYTES = ':1\r\n'.length;

function message(number) {
  const text = JSON.stringify({ i: number, pad: '' });
  return JSON.stringify({ i: number, pad: 'x'.repeat(bytes - text.length) });
}

const command = encodeCommand(['PUBLISH', channel, message(FIRST)]);
const digitsAt = command.indexOf(String(FIRST));

/** The next messages; the Buffer is new, since a socket may hold on to it. */
function batch(from) {
  const joined = Buffer.allocUnsafe(command.length * BATCH);
  for (let i = 0; i < BATCH; i++) {
    command.copy(joined, i * command.length);
    joined.write(String(FIRST + from + i), i * command.length + digitsAt, DIGITS, 'latin1');
  }
  return joined;
}

function flood() {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  const until = Date.now() + forMs;
  let sent = 0;
  let answerBytes = 0;
  let isOver = false;
  const answered = () => answerBytes / ANSWER_BYTES;

  const pump = () => {
    while (!isOver && sent - answered() < MOST_AHEAD) {
      if (Date.now() >= until) {
        isOver = true;
        socket.write(encodeCommand(['PUBLISH', channel, '{"last":true}']));
        sent += 1;
      } else {
        socket.write(batch(sent));
        sent += BATCH;
      }
    }
    if (isOver && answered() >= sent) {
      socket.destroy();
      console.log(JSON.stringify({ sent }));
    }
  };
  socket.on('data', (chunk) => {
    answerBytes += chunk.length;
    pump();
  });
  socket.once('connect', pump);
}

console.log('"here"');
process.stdin.once('data', () => {
  process.stdin.destroy();
  flood();
});
