'use strict';

const http = require('node:http');
const { Server } = require('socket.io');
const { createAnalyses } = require('./analyses');
const { answer } = require('./answers');
const { createLimits } = require('./limits');
const { createMessages } = require('./messages');
const { createPeople } = require('./people');
const { RedisState } = require('./redis-state');
const { createRequests } = require('./requests');
const { createSite } = require('./site');
const { createStats } = require('./stats');
const { Visit } = require('./visit');

/** Several times a message of the maximum length. */
const LARGEST_PACKET = 32 * 1024;

/**
 * A page of another site must not use the visitor's browser to talk to this server. A client that
 * is not a browser sends no origin.
 */
function allowRequest({ headers: { origin, host } }, decide) {
  const isOurs = origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
  decide(isOurs ? null : 'origin', isOurs);
}

/**
 * Recovered: messages that other users wrote meanwhile may appear on instances that were back
 * earlier. They reload their lists, too.
 */
function tellOfRedis(io, redis) {
  redis.on('change', (now) => (now.status === 'ok' ? io : io.local).emit('redis', now));
}

/**
 * One instance of the chat; `server` is to be listened on.
 *
 * @param backplane of redis-backplane, or functions of the same names
 * @param database see database/queries.js
 * @param instance what it is called
 * @param limits `{ user, room, search }`, each `{ max, seconds }`; those that are absent have their defaults
 * @param others answers `[{ instance, url }]`, the other instances
 * @param control starts and stops Redis, or `null`: that is not ours to do
 * @param hasAnalysis whether messages are analysed
 */
async function createChat({ backplane, database, instance, limits, others = () => [], control = null, hasAnalysis = true }) {
  const counts = () => ({ ...chat.messages.counts(), ...analyses.counts(), chat_sockets: io.of('/').sockets.size });
  const server = http.createServer(createSite({ backplane, counts }));
  const io = new Server(server, { adapter: backplane.socketIoAdapter(), maxHttpBufferSize: LARGEST_PACKET, allowRequest });
  const redis = new RedisState(backplane.getClient());
  tellOfRedis(io, redis);
  const analyses = createAnalyses({ backplane, io, instance, isOn: hasAnalysis });
  const people = createPeople({ backplane, io });
  const stats = createStats({ backplane, io, instance });
  const chat = {
    rooms: await database.rooms(),
    messages: createMessages({ backplane, database, analyses, io }),
    limits: createLimits({ backplane, limits }),
    people,
    stats,
    control,
    place: () => ({ instance, others: others(), redis: redis.now.status, canControlRedis: control !== null }),
  };
  /** Until a socket that left has been removed from its room. */
  const leaving = new Set();

  async function leave(visit) {
    stats.end(visit.socket);
    await visit.leave();
  }

  io.on('connection', (socket) => {
    const visit = new Visit(socket, { backplane, instance });
    answer(socket, createRequests(chat, visit));
    socket.once('disconnect', () => {
      const left = leave(visit).catch(report).finally(() => leaving.delete(left));
      leaving.add(left);
    });
  });

  /** Ends everything except the backplane and the database, which belong to the caller. */
  async function close() {
    stats.close();
    await io.close();
    await Promise.all(leaving);
    await Promise.all([people.close(), analyses.close()]);
  }

  await redis.known();
  return { server, close };
}

function report(error) {
  if (error.code !== 'E_CLOSED') console.error(error);
}

module.exports = { createChat };
