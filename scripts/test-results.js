'use strict';

// Tolerant before the numbers, because the verdict may be coloured.
const CARGO_RESULT = /^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored;/gm;

function parseCargo(output) {
  const totals = { passed: 0, failed: 0, skipped: 0 };
  for (const [, passed, failed, ignored] of output.matchAll(CARGO_RESULT)) {
    totals.passed += Number(passed);
    totals.failed += Number(failed);
    totals.skipped += Number(ignored);
  }
  return totals;
}

function parseJest(json) {
  return {
    passed: json.numPassedTests ?? 0,
    failed: (json.numFailedTests ?? 0) + (json.numRuntimeErrorTestSuites ?? 0),
    skipped: (json.numPendingTests ?? 0) + (json.numTodoTests ?? 0),
  };
}

module.exports = { parseCargo, parseJest };
