'use strict';

const { Decoder } = require('../../scripts/resp');

/** A stored number as a read of it is answered. */
const READING = /\$\d+\r\n"value \d+"\r\n/;

/** From now on the proxy says `+OK` to whatever is answered. */
function saysOkToAll(proxy) {
  const decoder = new Decoder();
  proxy.onReply((chunk) => '+OK\r\n'.repeat(decoder.push(chunk).length) || null);
}

/** The proxy changes the next answer to a reading, once; `change` is given it and answers what takes its place. */
function changesOneReading(proxy, change) {
  let isDone = false;
  proxy.onReply((chunk) => {
    const text = chunk.toString('latin1');
    if (isDone || !READING.test(text)) return undefined;
    isDone = true;
    return Buffer.from(text.replace(READING, change), 'latin1');
  });
}

module.exports = { changesOneReading, saysOkToAll };
