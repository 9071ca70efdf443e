'use strict';

const { makeRecord } = require('../cache/values');

const RECORDS = 1000;
const BYTES = 300;
// Prime, so that the sampled messages are at every place in a batch, and of every channel.
const SAMPLE_STRIDE = 17;

const records = Array.from({ length: RECORDS }, (_, id) => makeRecord(id, BYTES));

// Message n of a round holds record n modulo RECORDS.
function recordOf(n) {
  return records[n % RECORDS];
}

module.exports = { RECORDS, SAMPLE_STRIDE, recordOf };
