'use strict';

const { uniquePrefix, until } = require('./support');
const { onRedis, usePlace } = require('./support/places');

jest.setTimeout(60_000);

/** The keys in which a socket is written down, by what stands before its own, its user's or its room's id. */
const PARTS = { 'presence-socket:': 's', 'presence-user:': 'u', 'presence-user-data:': 'u', 'presence-room:': 'r', 'presence-room-data:': 'r' };
const NAMES = Object.keys(PARTS);
/** Every choice of them but none. */
const CHOICES = Array.from({ length: 2 ** NAMES.length - 1 }, (_, i) => NAMES.filter((_name, bit) => ((i + 1) >> bit) & 1));
/** From these alone somebody else learns where a socket is. */
const isTraceless = (choice) => choice.includes('presence-socket:') && choice.includes('presence-user-data:');
const numbers = CHOICES.map((_, i) => i);

describe.each([[false], [true]])('parts of sockets that Redis has evicted, heartbeat %s', (heartbeat) => {
  const place = usePlace(onRedis);
  let keyPrefix;
  let owner;
  let other;
  let told;

  beforeEach(async () => {
    keyPrefix = uniquePrefix();
    owner = await place.open({ keyPrefix, presence: { heartbeat } });
    other = await place.open({ keyPrefix });
    told = numbers.map(() => []);
    const hear = ({ roomId, type }) => told[Number(roomId.slice(1, -1))].push(type);
    await Promise.all(numbers.map((i) => other.watchRoom(`r${i}x`, hear)));
    await Promise.all(numbers.map((i) => owner.setPresence(`u${i}x`, `s${i}x`, { roomId: `r${i}x`, n: i }, 600)));
    await until(() => told.every((types) => types.length === 1));
  });

  /** Each socket loses other keys, all of them at the same moment. */
  async function evict() {
    const keys = await place.redis.command('KEYS', `${keyPrefix}presence-*`);
    const isOf = (key, name, id) => key.startsWith(keyPrefix + name + id);
    const evicted = numbers.flatMap((i) => CHOICES[i].map((name) => keys.find((key) => isOf(key, name, `${PARTS[name]}${i}x`))));
    expect(evicted).not.toContain(undefined);
    await place.redis.command('UNLINK', ...evicted);
  }

  async function isGone(i) {
    const [room, isOnline, ofUser] = await Promise.all([other.getRoomPresence(`r${i}x`), other.isUserOnline(`u${i}x`), other.getUserPresence(`u${i}x`)]);
    const [users, count] = await Promise.all([other.getOnlineUsersInRoom(`r${i}x`), other.countOnlineUsersInRoom(`r${i}x`)]);
    return room.length === 0 && !isOnline && ofUser.length === 0 && users.length === 0 && count === 0;
  }

  test('its process removes it whatever part is left, and one leave is told', async () => {
    await evict();
    expect(await Promise.all(numbers.map((i) => owner.removePresence(`u${i}x`, `s${i}x`)))).toEqual(numbers.map(() => true));
    for (const i of numbers) expect([CHOICES[i], await isGone(i)]).toEqual([CHOICES[i], true]);
    await until(() => told.every((types) => types.length >= 2));
    expect(told).toEqual(numbers.map(() => ['join', 'leave']));
  });

  test('another process removes it, at once if there is a trace of where it is', async () => {
    await evict();
    expect(await Promise.all(numbers.map((i) => other.removePresence(`u${i}x`, `s${i}x`)))).toEqual(numbers.map(() => true));
    for (const i of numbers) if (!isTraceless(CHOICES[i])) expect([CHOICES[i], await isGone(i)]).toEqual([CHOICES[i], true]);
    // Its own process finds the rest.
    for (const i of numbers) await until(() => isGone(i));
    await until(() => told.every((types) => types.length >= 2));
    expect(told).toEqual(numbers.map(() => ['join', 'leave']));
  });

  test('its process sets it again, and nobody hears that it was gone', async () => {
    await evict();
    for (const i of numbers) {
      await until(async () => (await other.getRoomPresence(`r${i}x`)).length === 1 && other.isUserOnline(`u${i}x`));
      expect(await other.getRoomPresence(`r${i}x`)).toMatchObject([{ userId: `u${i}x`, socketId: `s${i}x`, n: i }]);
      expect(await other.getUserPresence(`u${i}x`)).toMatchObject([{ socketId: `s${i}x`, n: i }]);
    }
    expect(told).toEqual(numbers.map(() => ['join']));
  });

  test('its process has it there as soon as it is asked', async () => {
    await evict();
    const rooms = await Promise.all(numbers.map((i) => owner.getOnlineUsersInRoom(`r${i}x`)));
    expect(rooms).toEqual(numbers.map((i) => [`u${i}x`]));
    expect(await owner.areUsersOnline(numbers.map((i) => `u${i}x`))).toEqual(numbers.map(() => true));
  });

  test('a refresh brings it back, on whichever process', async () => {
    await evict();
    const [here, there] = [new owner.PresenceService(), new other.PresenceService()];
    const isRecorded = (i) => !CHOICES[i].includes('presence-user-data:');
    for (const i of numbers.filter(isRecorded)) expect([CHOICES[i], await there.refreshPresence(`u${i}x`, `s${i}x`, `r${i}x`)]).toEqual([CHOICES[i], true]);
    for (const i of numbers) expect([CHOICES[i], await here.refreshPresence(`u${i}x`, `s${i}x`, `r${i}x`)]).toEqual([CHOICES[i], true]);
    for (const i of numbers) expect(await other.getOnlineUsersInRoom(`r${i}x`)).toEqual([`u${i}x`]);
  });

  test('nobody is listed who cannot be known any more', async () => {
    await owner.close();
    await evict();
    for (const i of numbers) {
      const [users, records] = [await other.getOnlineUsersInRoom(`r${i}x`), await other.getRoomPresence(`r${i}x`)];
      expect([CHOICES[i], users]).toEqual([CHOICES[i], records.map(({ userId }) => userId)]);
      if (CHOICES[i].includes('presence-room-data:')) expect(users).toEqual([]);
    }
  });
});
