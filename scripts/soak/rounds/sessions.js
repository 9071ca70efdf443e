'use strict';

/**
 * A session is set on one instance, where its socket is. Others see its effects while all were
 * connected.
 */
function createRound({ x, either, fresh, name, pick }) {
  const user = `User ${name}`;
  let sockets = 0;

  function remove(known, socket) {
    const [what, which] = pick([['deleteSession', socket], ['invalidateUserSessions', ` ${user.toUpperCase()}`]]);
    return known.write(x, () => x.call(`sessionCache.${what}`, which), what);
  }

  return async function round() {
    sockets += 1;
    const socket = `${name}:${sockets % 50}:${sockets}`;
    const known = fresh(socket);
    const read = (by) => known.read(by, async (y) => (await y.call('sessionCache.getSession', socket))?.version ?? null);
    const set = () => known.write(x, (_, version) => x.call('sessionCache.setSession', socket, { userId: user, version }, 60));
    await set();
    await read(either());
    await set();
    await read(x);
    await remove(known, socket);
    await read(x);
    await read(either());
    await x.call('sessionCache.deleteSession', socket);
  };
}

module.exports = { createRound };
