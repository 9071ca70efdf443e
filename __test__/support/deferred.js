'use strict';

/** A promise with its handles outside. */
function deferred() {
  const handles = {};
  handles.promise = new Promise((resolve, reject) => Object.assign(handles, { resolve, reject }));
  return handles;
}

/** A loader that begins and ends when the test says so. */
function controlledLoader() {
  const begun = deferred();
  const outcome = deferred();
  const loader = () => {
    loader.runs += 1;
    begun.resolve();
    return outcome.promise;
  };
  return Object.assign(loader, { runs: 0, begun: begun.promise, finish: outcome.resolve, fail: outcome.reject });
}

/** What became of a promise, as a value that can be compared. */
async function outcomeOf(promise) {
  try {
    return { value: await promise };
  } catch (error) {
    return { code: error?.code, error };
  }
}

module.exports = { controlledLoader, deferred, outcomeOf };
