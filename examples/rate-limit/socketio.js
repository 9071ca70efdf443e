'use strict';

// A rate limit for the events that clients of Socket.IO send.

const defaultBackplane = require('../..'); // = require('redis-backplane')

/**
 * For `io.use(…)`: limits the events of each socket, by `key(socket, event)`. The default counts
 * all events of a socket together; `(socket) => socket.data.userId` counts those of a user, on any
 * connection. Several limits on one server need a `name` each.
 *
 * An event above the limit is dropped, and the client is told: by its acknowledgement, if it asked
 * for one, as `{ error: 'rate-limited', retryAfterMs }`, or else by the event `rate-limited`.
 *
 * During a Redis outage this continues to work: each process counts by itself, from zero.
 */
function rateLimit({ key = ({ id }) => id, max, windowSeconds = 60, algorithm, name = 'default', backplane = defaultBackplane }) {
  return (socket, connect) => {
    socket.use(async (packet, next) => {
      const [event] = packet;
      let verdict;
      try {
        const counted = `socketio:${name}:${key(socket, event)}`;
        verdict = await backplane.checkRateLimit(counted, max, windowSeconds, { algorithm });
      } catch (error) {
        // An invalid key, an invalid option, a closed backplane: passed to the socket's event
        // `error`.
        next(error);
        return;
      }
      if (verdict.allowed) next();
      else refuse(socket, packet, verdict);
    });
    connect();
  };
}

/** Not by `next(error)`: that would tell the server, not the client. */
function refuse(socket, packet, { retryAfterMs }) {
  const [event] = packet;
  const acknowledge = packet.at(-1);
  if (typeof acknowledge === 'function') acknowledge({ error: 'rate-limited', retryAfterMs });
  else socket.emit('rate-limited', { event, retryAfterMs });
}

module.exports = { rateLimit };
