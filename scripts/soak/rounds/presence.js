'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const ROOMS = ['lobby', 'a:b', '*'];
const SHORT_SECONDS = 0.3;
/** A read right after the time has passed. */
const GRACE_MS = 100;

function createRound({ x, peer, world, name, pick, oneIn, tell }) {
  let user = `user ${name}`;
  const service = new x.backplane.PresenceService();
  x.count('PresenceService');
  let sockets = 0;

  const isIn = (present, socket) => present.some(({ socketId }) => socketId === socket);

  /** How an instance sees a socket, through every function that reads. */
  async function look(y, room, socket) {
    const [inRoom, ofUser, users, isOnline, [isOneOfMany]] = await Promise.all([
      y.call('getRoomPresence', room),
      y.call('getUserPresence', user),
      y.call('getOnlineUsersInRoom', room),
      y.call('isUserOnline', user),
      y.call('areUsersOnline', [user, 'nobody']),
    ]);
    return [isIn(inRoom, socket), isIn(ofUser, socket), users.includes(user), isOnline, isOneOfMany];
  }

  async function expectAll(y, wanted, when, { room, socket, isCertain = () => true }) {
    const seen = await look(y, room, socket);
    if (seen.some((each) => each !== wanted) && isCertain()) tell(`presence: ${when}, ${y.name} saw ${seen}`);
  }

  /** What is certain for a peer: events while both are connected. */
  function shared() {
    const since = [x.steady(), peer?.steady()];
    return () => x.isSteadySince(since[0]) && peer.isSteadySince(since[1]);
  }

  /** It may still be present, and its user online: nobody checks that one any more. */
  function leaveBehind(socket) {
    world.leftBehind.push([x, user, socket]);
    user = `user ${name} ${sockets}`;
  }

  async function comeAndGo(room, socket) {
    const isCertain = shared();
    const isSet = oneIn(2)
      ? await x.call('setPresence', user, socket, { roomId: [room, `of ${name}`], name }, 60)
      : await x.act('PresenceService.setOnline', () => service.setOnline(user, socket, room));
    if (isSet) {
      await expectAll(x, true, 'after set', { room, socket });
      if (peer) await expectAll(peer, true, 'after the other set', { room, socket, isCertain });
    }
    if (oneIn(3)) await x.act('PresenceService.refreshPresence', () => service.refreshPresence(user, socket, room));
    const isCertainlyGone = shared();
    const isRemoved = await (oneIn(2)
      ? x.call('removePresence', user, socket)
      : x.act('PresenceService.setOffline', () => service.setOffline(user, socket)));
    if (!isRemoved) {
      leaveBehind(socket);
      return;
    }
    await expectAll(x, false, 'after removal', { room, socket });
    if (peer) await expectAll(peer, false, 'after the other removed', { room, socket, isCertain: isCertainlyGone });
  }

  /** Nobody removes it; it expires by itself only without a heartbeat. */
  async function expire(room, socket) {
    if (x.isKeptAlive) return;
    if (!(await x.call('setPresence', user, socket, { roomId: room }, SHORT_SECONDS))) {
      leaveBehind(socket);
      return;
    }
    await sleep(SHORT_SECONDS * 1000 + GRACE_MS);
    await expectAll(x, false, 'after its TTL', { room, socket });
  }

  async function watchForAWhile(room) {
    let isOver = false;
    const stop = await x.call('watchRoom', room, () => isOver && tell('watchRoom: called after its end'));
    await x.act('watchRoom.stop', () => stop());
    isOver = true;
  }

  return async function round() {
    sockets += 1;
    const room = pick(ROOMS);
    await comeAndGo(room, `${name}:${sockets}`);
    if (oneIn(4)) await expire(room, `${name}:short:${sockets}`);
    await x.call('countOnlineUsersInRoom', room);
    await x.call('getLastSeen', user);
    await x.act('PresenceService.isOnline', () => service.isOnline(user));
    await x.act('PresenceService.getOnlineUsers', () => service.getOnlineUsers(room));
    if (oneIn(4)) await watchForAWhile(room);
  };
}

module.exports = { ROOMS, createRound };
