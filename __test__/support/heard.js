'use strict';

const { until } = require('./until');

/** A callback that remembers in `heard` what it was called with first. */
function ear() {
  const heard = [];
  const listen = (first) => {
    heard.push(first);
  };
  /** Resolves when it has been called so often. */
  const times = (count) => until(() => heard.length >= count, { what: `${count} messages, so far ${heard.length}` });
  return Object.assign(listen, { heard, times });
}

let markers = 0;

/**
 * Publishes a marker and waits until it is heard: what was published to the channel before it,
 * and has not come by then, does not come. Answers what was heard before the marker.
 */
async function heardUpToNow(publish, { heard }) {
  markers += 1;
  const marker = `marker ${markers}`;
  await publish(marker);
  await until(() => heard.includes(marker), { what: 'the marker' });
  return heard.filter((message) => !String(message).startsWith('marker '));
}

module.exports = { ear, heardUpToNow };
