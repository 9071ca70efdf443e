'use strict';

function encodeCommand(args) {
  const parts = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

function readBulk(buffer, at, start, length) {
  if (length < 0) return { value: null, end: start };
  const end = start + length + 2;
  if (end > buffer.length) return { need: end - at };
  return { value: buffer.subarray(start, end - 2), end };
}

function readItem(buffer, at) {
  const lineEnd = buffer.indexOf('\r\n', at);
  if (lineEnd < 0) return { need: buffer.length - at + 1 };
  const end = lineEnd + 2;
  const line = buffer.toString('utf8', at + 1, lineEnd);
  switch (String.fromCharCode(buffer[at])) {
    case '+': return { value: line, end };
    case '-': return { value: new Error(line), end };
    case ':': return { value: Number(line), end };
    case '$': return readBulk(buffer, at, end, Number(line));
    case '*': return { length: Number(line), value: line === '-1' ? null : [], end };
    default: throw new Error(`not a RESP2 reply: byte ${buffer[at]}`);
  }
}

class Decoder {
  #chunks = [];
  #size = 0;
  #need = 1;
  #open = [];

  push(chunk) {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    // Joining only once a whole item is there keeps large replies linear.
    return this.#size < this.#need ? [] : this.#decode(Buffer.concat(this.#chunks, this.#size));
  }

  #decode(buffer) {
    const replies = [];
    let at = 0;
    let item = readItem(buffer, at);
    while (item.need === undefined) {
      at = item.end;
      this.#take(item, replies);
      item = readItem(buffer, at);
    }
    this.#need = item.need;
    this.#chunks = [buffer.subarray(at)];
    this.#size = buffer.length - at;
    return replies;
  }

  #take({ value, length }, replies) {
    if (length > 0) return this.#open.push({ length, values: [] });
    for (let top = this.#open.at(-1); top; top = this.#open.at(-1)) {
      top.values.push(value);
      if (top.values.length < top.length) return top.values.length;
      value = this.#open.pop().values;
    }
    return replies.push(value);
  }
}

module.exports = { Decoder, encodeCommand };
