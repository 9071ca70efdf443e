'use strict';

const { deflateSync } = require('node:zlib');

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const BITS = 8;
const INDEXED = 3;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

// zlib.crc32 does not exist in every Node 20.
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

function header(width, height) {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  data.set([BITS, INDEXED], 8);
  return data;
}

/** Each row follows a zero: no filter, which suits a palette best. */
function rows(width, height, pixels) {
  const data = Buffer.alloc((width + 1) * height);
  for (let row = 0; row < height; row += 1) {
    data.set(pixels.subarray(row * width, (row + 1) * width), row * (width + 1) + 1);
  }
  return data;
}

/** One byte per pixel, looked up in a palette of 256 × 3 bytes. */
function encodePng({ width, height, pixels }, palette) {
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header(width, height)),
    chunk('PLTE', palette),
    chunk('IDAT', deflateSync(rows(width, height, pixels))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

module.exports = { encodePng };
