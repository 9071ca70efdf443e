'use strict';

/** The memory that V8 takes for a value, and for each name in an object, beside its text. */
const VALUE_BYTES = 16;

/** Approximately how many bytes a value made by JSON takes. Cost: its size. */
function sizeOf(value) {
  const left = [value];
  let bytes = 0;
  while (left.length > 0) {
    const one = left.pop();
    bytes += VALUE_BYTES;
    if (typeof one === 'string') bytes += one.length;
    else if (Array.isArray(one)) for (const item of one) left.push(item);
    else if (typeof one === 'object' && one !== null) {
      for (const name of Object.keys(one)) {
        bytes += VALUE_BYTES + name.length;
        left.push(one[name]);
      }
    }
  }
  return bytes;
}

module.exports = { sizeOf };
