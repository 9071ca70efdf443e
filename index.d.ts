/**
 * redis-backplane: what a Node.js server uses Redis for, in one native addon.
 *
 * Every function below belongs to a default backplane that is configured from the environment at
 * its first call; {@link createBackplane} makes independent ones. No function blocks, none
 * rejects because Redis is away: the documented functions then answer from this process.
 * Only a programming error rejects, with a `TypeError` or `RangeError` that carries a stable
 * `code` (docs/errors.md), before anything is sent.
 */

/** Anything that `JSON.parse` can give. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * Reads a cached value. O(1).
 *
 * Resolves a fresh copy of what JSON made of the value, or `null` when there is none: never set,
 * expired, evicted, of another type, not JSON. While Redis is away: from this process's memory.
 *
 * Calls about one key happen in the order in which they are made, also without `await` in between;
 * only the read of a large value may see what a later call leaves. Large is what is over 256 KiB, and
 * beside many other calls, or on a slow line, what is over 1 KiB.
 *
 * @param key 1 byte to 64 KiB of well-formed Unicode; stored as `<keyPrefix>cache:<key>`.
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function cacheGet<T = Json>(key: string): Promise<T | null>;

/**
 * Keeps a value for a time, in place of what was there. O(1).
 *
 * Resolves `true` when it is kept or remembered, `false` when it is not or not known to be (larger than the
 * in-memory store, or a large value that could not be sent in time). While Redis is away it is kept in this process, and
 * the key is deleted on Redis before anything is read there again.
 *
 * @param value anything that JSON can hold, up to 64 MiB of JSON text.
 * @param ttlSeconds default 3600; fractions are fine; above 0, at most 10 years.
 * @throws E_INVALID_KEY, E_INVALID_VALUE, E_INVALID_TTL, E_CLOSED
 */
export function cacheSet(key: string, value: unknown, ttlSeconds?: number): Promise<boolean>;

/**
 * Makes a key absent, also for a loader of {@link cacheGetOrSet} that is running. O(1).
 *
 * Resolves `true` when it has been carried out, whether or not the key existed; while Redis is
 * away it is carried out here at once, and on Redis before anything is read there again.
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function cacheDelete(key: string): Promise<boolean>;

/**
 * Deletes every key that matches a Redis glob (`*`, `?`, `[a-z]`, `[^a]`, `\` before a literal).
 *
 * Resolves the number of keys removed. Not atomic: keys that are set meanwhile may stay. O(keys
 * in the database) in bounded steps of SCAN and UNLINK on a connection of their own; flat in
 * memory. Every step has `commandTimeoutMs`, after which Redis is taken as away; the whole takes as
 * long as there are keys. While Redis comes back it waits until what was deleted during the outage is deleted there.
 *
 * @throws E_INVALID_PATTERN, E_CLOSED
 */
export function cacheDeletePattern(pattern: string): Promise<number>;

export interface GetOrSetOptions {
  /** How long the loaded value is served. Default 3600. */
  ttlSeconds?: number;
  /** How much longer it is kept, to be served when a loader fails. Default 0: not at all. */
  staleSeconds?: number;
  /** How long the loader may run before its callers get `E_LOADER_TIMEOUT`. Default 30000. */
  loaderTimeoutMs?: number;
}

/**
 * Reads a value, or loads and keeps it. One loader runs for a key in this process at a time; all
 * callers get a copy of what it loads.
 *
 * A set or delete of the key while the loader runs, by anybody, also in another process or by
 * another client, wins: the loaded value is returned and not kept, and later callers load anew
 * (the leases of "Scaling Memcache at Facebook", NSDI '13). When the loader fails, its callers
 * get the old value if it is within `staleSeconds`, else the loader's error; nothing is kept.
 *
 * One round trip when the value is there, three when it is not.
 *
 * @throws what the loader throws; E_LOADER_TIMEOUT, E_INVALID_KEY, E_INVALID_CALLBACK,
 *   E_INVALID_TTL, E_INVALID_OPTION, E_INVALID_VALUE (what was loaded), E_CLOSED
 */
export function cacheGetOrSet<T = Json>(
  key: string,
  loader: () => T | Promise<T>,
  options?: GetOrSetOptions
): Promise<T>;

/**
 * Results about messages, by hashes of theirs: on Redis for all instances, and in front of it in memory,
 * whose hits are answered without a round trip. While Redis is away the memory is all there is.
 */
export interface MessageCache {
  /**
   * A hash of a message, the same for texts that differ in case and outer white space alone; of nothing
   * else. Ids that are numbers are the ids that have their digits; an id may be absent.
   *
   * @throws at once: E_INVALID_VALUE (text), E_INVALID_KEY (ids)
   */
  generateHash(text: string, senderId?: string | number | null, receiverId?: string | number | null): string;
  /**
   * Reads a result, a fresh copy each time, or `null`. What another instance overwrites or clears is not read
   * here a moment later, 100 ms at most while both are connected. O(1).
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  get<T = Json>(hash: string): Promise<T | null>;
  /**
   * Keeps a result for `messageCache.ttlSeconds`. O(log of all results).
   *
   * @throws E_INVALID_KEY, E_INVALID_VALUE, E_CLOSED
   */
  set(hash: string, result: unknown): Promise<void>;
  /** Gives back the memory of results whose time is over; they are not read in any case. */
  clearExpired(): void;
  /**
   * Removes all results, of all instances. From the first moment none is read. O(them).
   *
   * @throws E_CLOSED
   */
  clear(): Promise<void>;
  /** @throws E_CLOSED */
  getStats(): Promise<MessageCacheStats>;
}

/** Of this backplane; counted since it was made. */
export interface MessageCacheStats {
  /** Results in memory. */
  memorySize: number;
  /** `messageCache.maxEntries` */
  maxSize: number;
  /** `messageCache.ttlSeconds`, in milliseconds. */
  maxAgeMs: number;
  redisAvailable: boolean;
  /** Reads that found a result. */
  hits: number;
  /** Those of them that found it in memory. */
  memoryHits: number;
  misses: number;
}

export const messageCache: MessageCache;

/** Any plain values; the order of keys does not matter, `1` is not `"1"`, `null` is not absent. */
export type QueryParams = Record<string, unknown>;

/**
 * Results of queries, by the name of the query and its parameters. A result belongs to its query and to
 * the rooms in `params.roomId` and `params.room_id` (each one or an array; together at most 32). A room is
 * what JSON makes of it: a number is the room that has its digits, and an object with `toJSON` the room
 * that it becomes.
 *
 * **Fenced**: what is invalidated while somebody loads a result, by any process, is not set by who loads it.
 * docs/caching.md says how, and what that costs. While Redis is away results are kept in this process, for
 * `queryCache.degradedTtlSeconds` at most.
 */
export interface QueryCache {
  /**
   * Reads a result, or `null`. A miss is remembered for the {@link QueryCache.set} that follows. O(rooms).
   *
   * @throws E_INVALID_KEY (a name or a room), E_INVALID_VALUE (params that cannot be told apart from
   *   others: functions, BigInts, cycles, over 64 KiB; objects of classes without `toJSON`, as RegExp,
   *   URLSearchParams or Error; objects with symbols for keys), E_CLOSED
   */
  get<T = Json>(queryName: string, params?: QueryParams): Promise<T | null>;
  /**
   * Keeps a result. Resolves `false` when it keeps nothing: the query or one of its rooms was invalidated, or
   * Redis emptied, since the `get` of this process that missed it; misses of it saw different
   * versions and not all have come back. O(rooms × log of their results), two round trips.
   *
   * @param ttlSeconds default 300
   * @throws as {@link QueryCache.get}, and E_INVALID_TTL
   */
  set(queryName: string, params: QueryParams | undefined, result: unknown, ttlSeconds?: number): Promise<boolean>;
  /**
   * Reads a result, or loads and keeps it: one loader at a time for a result and process, for at most 30 s. Who
   * comes after an invalidation does not get what was loaded before it.
   *
   * @throws what the loader throws, E_LOADER_TIMEOUT, E_INVALID_CALLBACK, and as {@link QueryCache.set}
   */
  getOrSet<T = Json>(
    queryName: string,
    params: QueryParams | undefined,
    loader: () => T | Promise<T>,
    ttlSeconds?: number
  ): Promise<T>;
  /**
   * Removes the results of all queries whose names match a Redis glob; resolves how many. O(keys in the
   * database), as {@link cacheDeletePattern}.
   *
   * @throws E_INVALID_PATTERN, E_CLOSED
   */
  invalidate(queryPattern: string): Promise<number>;
  /**
   * Removes the results of one query; resolves how many. From the first moment none of them is read. O(them).
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  invalidateQuery(queryName: string): Promise<number>;
  /**
   * Removes the results of a room, whatever the query; resolves how many. O(them).
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  invalidateRoom(roomId: string | number): Promise<number>;
}

export const queryCache: QueryCache;

/**
 * Sessions by the ids of their sockets. A session belongs to the `email` and to the `userId` in its data, each
 * as JSON has it, without outer white space and in lower case. While Redis is away sessions are kept in this process, and those
 * that it set meanwhile are set on Redis afterwards, for the rest of their time.
 */
export interface SessionCache {
  /**
   * Reads a session, or `null`: also when Redis has evicted the index of one of its users, without which the
   * session could not be ended. O(users of the session), of which there are two at most; one exchange, two the first time
   * that a process reads a session which it has not set.
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  getSession<T = Json>(socketId: string): Promise<T | null>;
  /**
   * Keeps a session, in place of what the socket had. Resolves `true` when it is kept or remembered (see
   * `commandTimeoutMs`). O(log of the user's sessions), three round trips.
   *
   * @param ttlSeconds default 300
   * @throws E_INVALID_KEY, E_INVALID_VALUE, E_INVALID_TTL, E_CLOSED
   */
  setSession(socketId: string, data: unknown, ttlSeconds?: number): Promise<boolean>;
  /**
   * Removes a session; resolves `true` when that was carried out, whether or not there was one. O(1).
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  deleteSession(socketId: string): Promise<boolean>;
  /**
   * Removes the sessions of a user, given by email or by id, and of nobody else; resolves how many. What
   * is set after it began stays. O(sessions of the user).
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  invalidateUserSessions(user: string | number): Promise<number>;
}

export const sessionCache: SessionCache;

export interface RateLimitOptions {
  /**
   * `fixed-window` (default) counts from the first request until the window has passed.
   * `sliding-window` counts the current window and the part of the one before that is less than a
   * window ago (the sliding window counter). `token-bucket` lets `maxRequests` through at once and
   * fills up evenly within a window (GCRA, ITU-T I.371).
   */
  algorithm?: 'fixed-window' | 'sliding-window' | 'token-bucket';
  /** How much this request counts. Default 1; above the limit it is always denied. */
  cost?: number;
}

export interface RateLimit {
  allowed: boolean;
  /** What would be allowed now; rounded down. */
  remaining: number;
  /** Epoch ms by Redis's clock: when nothing counts any more, if nothing more comes. */
  resetAt: number;
  /** What counts now, this request included if it was allowed; rounded up. */
  count: number;
  /** `maxRequests`. */
  limit: number;
  /** How long until a request of this cost may be allowed; 0 when it was. */
  retryAfterMs: number;
  /** Where it was counted; `memory` while Redis is away, or when its answer was lost. */
  source: 'redis' | 'memory';
}

/**
 * Counts a request, if it fits into the limit of `key`. Exact: any number of processes and parallel
 * calls let through `maxRequests` and no more. A request that is denied is not counted. O(1), one
 * script by the server's clock; a limit that is known to be exhausted is answered from this process
 * for up to a second without asking Redis.
 *
 * While Redis is away this process counts by itself, from zero, and Redis goes on from what it
 * had when it is back. A check whose answer was lost is never repeated: it is judged by this
 * process's own count. Limits in memory have a share of `memory.maxBytes`
 * (docs/metrics.md); beyond it the least used begin anew.
 *
 * Each algorithm counts a key by itself. Use one limit and window for a key.
 *
 * @param maxRequests a whole number above 0.
 * @param windowSeconds default 60; fractions are fine; above 0, at most 10 years.
 * @throws E_INVALID_KEY, E_INVALID_COUNT, E_INVALID_TTL, E_INVALID_OPTION, E_CLOSED
 */
export function checkRateLimit(
  key: string,
  maxRequests: number,
  windowSeconds?: number,
  options?: RateLimitOptions
): Promise<RateLimit>;

/**
 * Forgets what was counted for `key`, by every algorithm, on all instances. O(1).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function resetRateLimit(key: string): Promise<void>;

/**
 * Takes the lock `key` if it is free, for at most `ttlSeconds`: `false` when somebody else has it, or
 * waits for it before. It is released by `releaseLock`, by its end, and by nothing else.
 * O(log waiters), one script.
 *
 * A lock is a lease: it ends after its time, whatever its holder is doing (docs/locks.md). Work that
 * may take longer belongs into {@link withLock}.
 *
 * While Redis is away the lock is one within this backplane, or there is none (`locks` of
 * {@link BackplaneOptions}). Locks that are held have a share of `memory.maxBytes` (docs/metrics.md), some 100,000
 * of them by default; beyond it nobody gets another.
 *
 * @param ttlSeconds default 30; fractions are fine; above 0, at most 10 years. A lease that may be over when
 * its answer comes (2 ms, or what the answer takes) is not granted.
 * @throws E_INVALID_KEY, E_INVALID_TTL, E_CLOSED
 */
export function acquireLock(key: string, ttlSeconds?: number): Promise<boolean>;

/**
 * Releases what {@link acquireLock} of this backplane took, if it still has it; whoever waits first
 * gets it. Releasing late, twice or what another process holds does nothing. O(log waiters), one script.
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function releaseLock(key: string): Promise<void>;

export interface LockOptions {
  /** How long the lease is. Default 30; fractions are fine; above 0, at most 10 years. */
  ttlSeconds?: number;
  /**
   * How long to wait for a lock that is taken, in ms; 0: not at all, `Infinity`: until it is free or
   * `signal` aborts. Default 0 for {@link lock}, 10,000 for {@link withLock}.
   */
  waitMs?: number;
  /** Ends the waiting; the call then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** A lock that is held. */
export interface Lock {
  readonly key: string;
  /** The value of `lock:<key>` on Redis while the lock is held; 32 hexadecimal digits. */
  readonly token: string;
  /**
   * Greater than that of every acquisition of this key before. Whoever keeps the last fence beside
   * the data can refuse a late write (docs/locks.md).
   */
  readonly fence: number;
  /**
   * Aborts, with `E_LOCK_LOST`, before anybody else can have the lock: at the end of the lease, also when
   * Redis cannot be reached or this process was paused, and when the lock is found to be another's.
   * Reading `aborted` asks the clock. Does not abort when the lock is released.
   */
  readonly signal: AbortSignal;
  /**
   * Has the lease end `ttlSeconds` from now (default: as it was taken), be that later or sooner.
   * `false`: it has ended, or Redis, which granted it, is away.
   *
   * @throws E_INVALID_TTL, E_CLOSED
   */
  extend(ttlSeconds?: number): Promise<boolean>;
  /**
   * Gives the lock to whoever waits first. `false`: it had ended before, or that is not known; `signal` then
   * aborts.
   *
   * @throws E_CLOSED
   */
  release(): Promise<boolean>;
  /** As `release`, for `await using`; never rejects. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Takes the lock `key`, or waits for it: whoever comes first gets it first, across all processes. Who
 * waits is woken when the lock is released or its lease ends. `null`: it did not become free in time.
 * O(log waiters), one script, and one more connection for as long as this backplane lives once it waits.
 *
 * What is taken while Redis is away is taken on Redis when that is back, if it is free there; else its
 * `signal` aborts.
 *
 * @throws E_INVALID_KEY, E_INVALID_TTL, E_INVALID_OPTION, E_CLOSED, and the reason of `signal`
 */
export function lock(key: string, options?: LockOptions): Promise<Lock | null>;

/**
 * Runs `callback` under a lock, which is renewed as long as it runs, on a thread of its own; answers
 * what the callback does. Whether the lock was lost meanwhile is told by `lock.signal`.
 *
 * @throws E_NOT_LOCKED when the lock does not become free within `waitMs`; the callback has not run.
 * @throws E_INVALID_KEY, E_INVALID_TTL, E_INVALID_OPTION, E_INVALID_CALLBACK, E_CLOSED, and the reason of `signal`
 */
export function withLock<T>(
  key: string,
  options: LockOptions,
  callback: (lock: Lock) => T | Promise<T>
): Promise<T>;
export function withLock<T>(key: string, callback: (lock: Lock) => T | Promise<T>): Promise<T>;

/** Whatever is to be known of a socket. */
export interface PresenceMetadata {
  /** The room, or the rooms, that the socket is in; none if it is absent. */
  roomId?: string | string[] | null;
  [name: string]: unknown;
}

/** A socket that is there, with its metadata. */
export interface Present extends PresenceMetadata {
  userId: string;
  socketId: string;
  /** When it was last set or, with a heartbeat, heard of: epoch ms. */
  lastSeen: number;
}

/**
 * Says that a socket of a user is there, for `ttlSeconds`; it moves from wherever it was before: from other rooms,
 * and from another user. `true` when it is so, or remembered (see `commandTimeoutMs`); `false` when the server's access rules
 * forbid it, or, while Redis is away, `memory.maxBytes` leaves no room (docs/metrics.md). O(rooms), one script for the socket, one
 * for its user and one for each room; three round trips.
 *
 * Every socket ends by itself, exactly. With `presence: { heartbeat: true }` it does not while this backplane
 * lives (docs/presence.md). While Redis is away it is there for this backplane, and is set on Redis afterwards.
 *
 * @param metadata an object that JSON can hold, up to 1 MiB, and up to 8 MiB times the number of rooms, `roomId` not
 * counted; default `{}`. `roomId` is one room or an array.
 * @param ttlSeconds default 300; fractions are fine; above 0, at most 10 years.
 * @throws E_INVALID_KEY (`userId`, `socketId`, `roomId`: 1 byte to 64 KiB of well-formed Unicode), E_INVALID_VALUE,
 * E_INVALID_TTL, E_CLOSED
 */
export function setPresence(
  userId: string,
  socketId: string,
  metadata?: PresenceMetadata,
  ttlSeconds?: number
): Promise<boolean>;

/**
 * Says that a socket is gone, from all of its rooms. Does nothing to one that is another user's by now, nor to the
 * user's other sockets. `true` when it has been carried out, whether or not it was there. O(rooms).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function removePresence(userId: string, socketId: string): Promise<boolean>;

/**
 * Whether a user has a socket, anywhere. O(sockets of the user). While Redis is away: in this backplane.
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function isUserOnline(userId: string): Promise<boolean>;

/**
 * The same of many users, in their order; all are asked at once. O(sockets of all).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function areUsersOnline(userIds: string[]): Promise<boolean[]>;

/**
 * The sockets of a user with their metadata, by `socketId`. O(sockets of the user).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function getUserPresence(userId: string): Promise<Present[]>;

/**
 * When a user was last set, removed or, with a heartbeat, heard of: epoch ms, by the server's clock. `null`: not in the
 * last 30 days. O(1).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function getLastSeen(userId: string): Promise<number | null>;

/**
 * The users that have a socket in a room: each once, sorted as `sort` does. O(sockets in the room), never
 * of the keyspace; a room of over 10,000 is read in steps. While Redis is away: those of this backplane.
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function getOnlineUsersInRoom(roomId: string): Promise<string[]>;

/**
 * How many they are. O(sockets in the room).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function countOnlineUsersInRoom(roomId: string): Promise<number>;

/**
 * The sockets in a room with their metadata, by `userId` and `socketId`. O(sockets in the room).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function getRoomPresence(roomId: string): Promise<Present[]>;

/** Something that happened in a room. Callbacks of the same room share it. */
export interface PresenceEvent {
  /** `update`: the metadata are different. */
  type: 'join' | 'leave' | 'update';
  userId: string;
  socketId: string;
  roomId: string;
  /** For `leave` the last that were known. */
  metadata: PresenceMetadata;
}

/**
 * Calls `callback` with what happens in a room from now on, whichever process does it: one `join`, `update` or `leave`
 * each for every socket. Who is there already does not join. Resolves a function that ends it.
 *
 * Who does not leave by itself, as its TTL has passed or its process was killed, is found to have left within a
 * second, with a heartbeat within 20 s. An outage of Redis makes nobody leave who is there again 5 s after it.
 * Keeps the process alive. One connection for all watched rooms; one look at a room when a TTL in it has passed.
 *
 * @throws E_INVALID_KEY, E_INVALID_CALLBACK, E_CLOSED
 */
export function watchRoom(
  roomId: string,
  callback: (event: PresenceEvent) => unknown
): Promise<() => Promise<void>>;

/** Presence of sockets in one room each, for 300 s; all instances are the same. */
export class PresenceService {
  /** {@link setPresence}; without a room if `roomId` is absent. */
  setOnline(userId: string, socketId: string, roomId?: string | string[] | null): Promise<boolean>;
  /** {@link removePresence} */
  setOffline(userId: string, socketId: string): Promise<boolean>;
  /** {@link isUserOnline} */
  isOnline(userId: string): Promise<boolean>;
  /** {@link getOnlineUsersInRoom} */
  getOnlineUsers(roomId: string): Promise<string[]>;
  /**
   * Has a socket last 300 s from now, with its metadata, and moves it to the room if it is not in it. `false`: it was
   * removed, or has ended and is not this backplane's own; it is not brought back.
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  refreshPresence(userId: string, socketId: string, roomId?: string | string[] | null): Promise<boolean>;
}

/**
 * Publishes a message as JSON. O(receivers + patterns).
 *
 * Resolves how many subscriptions it reached: of all clients of the server, or, while Redis is
 * away, of this backplane. At most once: a message whose answer was lost is not sent again, and
 * counts as 0, as does one that the server refuses (which is logged).
 *
 * @param channel 1 byte to 64 KiB of well-formed Unicode; on Redis `<keyPrefix><channel>`.
 * @param message anything that JSON can hold, up to 64 MiB of JSON text.
 * @throws E_INVALID_CHANNEL, E_INVALID_VALUE, E_CLOSED
 */
export function publish(channel: string, message: unknown): Promise<number>;

/**
 * A handle for subscriptions of its own, the same as `getClient().duplicate()`. It opens a
 * connection when something is first subscribed to.
 *
 * @throws the configuration's error, see {@link BackplaneOptions}
 */
export function createSubscriber(): Client;

/** When messages may have been missed. */
export interface Gap {
  /** Epoch ms: from the first reason for it until everything was whole again. */
  since: number;
  until: number;
  /** For people; `overflow` when messages came faster than they were taken. */
  reason: string;
  /** Messages that had come and had to go; 0 when none are known of. */
  dropped: number;
}

/** The pubsub of the backplane, always the same one until it is closed. Connects to nothing. */
export function getPubSub(): RedisPubSub;

/**
 * Publishing and subscribing in JSON, on a connection of its own.
 *
 * A subscription lasts until it is ended, through every reconnect, and keeps the process alive.
 * While Redis is away what this backplane publishes reaches its own subscribers. Messages wait
 * in a queue of at most `pubsub.maxQueued` messages and `pubsub.maxQueuedBytes`; beyond it the
 * oldest are dropped, which is a gap.
 */
export class RedisPubSub {
  /**
   * Begins to connect. Resolves `true` on Redis, `false` when this process is alone for now; both
   * work, and the one becomes the other by itself. Need not be called.
   * @throws E_CLOSED, the configuration's error
   */
  initialize(): Promise<boolean>;

  /**
   * Calls `callback` with every message of a channel, in order. Any number of callbacks, which
   * all get the same object; one that throws or rejects is logged and hurts no other. A message
   * that is not JSON is logged, without its content, and dropped.
   *
   * Resolves `true` once it is in effect: confirmed by Redis, or within this process while Redis
   * is away. `false`: not yet (refused, or no answer in time); it is tried again, for ever.
   *
   * @throws E_INVALID_CHANNEL, E_INVALID_CALLBACK, E_CLOSED
   */
  subscribe<T = Json>(channel: string, callback: (data: T, channel: string) => unknown): Promise<boolean>;

  /**
   * Ends one callback (once, if it was given twice), or all of the channel. None is called any
   * more from now on; resolves `true` when the server knows, too.
   * @throws E_INVALID_CHANNEL, E_INVALID_CALLBACK, E_CLOSED
   */
  unsubscribe<T = Json>(channel: string, callback?: (data: T, channel: string) => unknown): Promise<boolean>;

  /** See {@link publish}. */
  publish(channel: string, data: unknown): Promise<number>;

  /**
   * The messages of a channel, for `for await`. Subscribed from the first step of the loop to its
   * end; a loop that is slower than the channel loses the oldest messages beyond
   * `pubsub.maxQueued` or, about, `pubsub.maxQueuedBytes`. Ends with `close()`.
   *
   * @param options.signal ends the loop with the signal's reason.
   * @throws E_INVALID_CHANNEL, E_CLOSED
   */
  messages<T = Json>(channel: string, options?: { signal?: AbortSignal }): AsyncGenerator<{ data: T; channel: string }, void>;

  /** Ends every subscription and the connection. Calls after it reject with `E_CLOSED`. */
  close(): Promise<void>;

  readonly isClosed: boolean;

  on(event: 'gap', listener: (gap: Gap) => void): this;
  once(event: 'gap', listener: (gap: Gap) => void): this;
  off(event: 'gap', listener: (gap: Gap) => void): this;
}

/**
 * The adapter for `new Server(http, { adapter: socketIoAdapter() })`, of the optional peer
 * `@socket.io/redis-adapter`, on this backplane's connections.
 *
 * With Redis away the server is a working single instance; it becomes one of several, and alone
 * again, by itself, while its sockets stay connected. `getClient()` emits `gap` when broadcasts
 * of other instances may have been missed.
 *
 * @param options those of the adapter (`requestsTimeout`, `publishOnSpecificResponseChannel`, …).
 *   `sharded: true` takes the adapter for sharded pub/sub (Redis 7) with its options.
 * @throws E_MISSING_PEER, E_INVALID_OPTION, the configuration's error
 */
export function socketIoAdapter(options?: { sharded?: boolean; [option: string]: unknown }): (namespace: any) => any;

/**
 * Whether Redis can be asked now. Synchronous; begins to connect at its first call.
 *
 * @throws the configuration's error, see {@link BackplaneOptions}
 */
export function isRedisAvailable(): boolean;

/**
 * The client handle, always the same one, at once. Begins to connect at its first call.
 *
 * @throws the configuration's error, see {@link BackplaneOptions}
 */
export function getClient(): Client;

/**
 * Lets the calls that are under way end (at most `commandTimeoutMs`), then ends connections,
 * timers and everything kept in memory. Calls after it reject with `E_CLOSED`. Never rejects.
 */
export function close(): Promise<void>;

/** What a raw command answers: text as UTF-8, an error inside an array as its text. */
export type Reply = null | number | string | Reply[];

/** Gets messages in the style of node-redis. */
export type TextListener = (message: string, channel: string) => unknown;
export type BufferListener = (message: Buffer, channel: Buffer) => unknown;

/**
 * What is left of a Redis client when the functions above do the work, in the styles of ioredis
 * and node-redis.
 *
 * All handles of a backplane share its connection for commands. A handle that subscribes has one
 * more, for what it receives; so a handle may send and receive. `quit` and `disconnect` of
 * `getClient()` close the backplane, those of a duplicate only end its own subscriptions.
 *
 * Events: `connect`, `ready`, `error`, `close`, `reconnecting`, `end`, and `gap` when messages may
 * have been missed. An `error` that nobody listens to is logged, not thrown.
 *
 * Every channel and pattern stands behind `keyPrefix` on Redis, which is taken off again. A
 * subscription lasts until it is ended, through every reconnect, and keeps the process alive. A
 * listener that throws or rejects is logged and hurts no other.
 */
export interface Client {
  /** Before the first call: `wait`. While Redis is away: `reconnecting`. After the end: `end`. */
  readonly status: 'wait' | 'connecting' | 'ready' | 'reconnecting' | 'end';
  /** Neither `wait` nor `end`. */
  readonly isOpen: boolean;
  readonly isReady: boolean;

  /**
   * Resolves when Redis is ready.
   * @throws E_UNAVAILABLE when the attempt that is under way fails; further attempts go on
   */
  connect(): Promise<void>;

  /** @throws E_UNAVAILABLE, E_TIMEOUT */
  ping(): Promise<Reply>;

  /**
   * Sends any command that leaves the connection as it is, without `keyPrefix`. Sent at most
   * once: after `E_UNAVAILABLE` or `E_TIMEOUT` it may or may not have taken effect.
   *
   * @throws E_UNAVAILABLE (Redis is away), E_TIMEOUT, E_REPLY (the server's words),
   *   E_UNSUPPORTED (would block the shared connection or change its state),
   *   E_INVALID_COMMAND, E_CLOSED
   */
  call(command: string, ...args: Array<string | number | Uint8Array>): Promise<Reply>;

  /**
   * `call` with an array, as node-redis has it. `PUBSUB NUMSUB` and `PUBSUB SHARDNUMSUB` name
   * channels as `subscribe` does, and while Redis is away count this backplane's handles.
   */
  sendCommand(words: Array<string | Uint8Array>): Promise<Reply>;

  /** Another handle, for subscriptions of its own. */
  duplicate(): Client;

  /** Closes the backplane, or ends this duplicate; resolves when that is done. */
  quit(): Promise<'OK'>;

  /** `quit` without waiting. */
  disconnect(): void;

  /**
   * Publishes a message as it is. Resolves as the function `publish` does; never rejects because
   * Redis is away.
   * @throws E_INVALID_CHANNEL, E_INVALID_VALUE, E_CLOSED
   */
  publish(channel: string, message: string | Uint8Array): Promise<number>;
  /** To a sharded channel (Redis 7). */
  spublish(channel: string, message: string | Uint8Array): Promise<number>;
  sPublish(channel: string, message: string | Uint8Array): Promise<number>;

  /**
   * As node-redis has it: calls the listener with every message, as text or, with `asBuffers`,
   * as Buffers of their own. One channel and one function are always this.
   *
   * Resolves how many channels and patterns this handle is subscribed to, once Redis has
   * confirmed them or is known to be away.
   * @throws E_INVALID_CHANNEL, E_CLOSED
   */
  subscribe(channels: string | string[], listener: TextListener, asBuffers?: false): Promise<number>;
  subscribe(channels: string | string[], listener: BufferListener, asBuffers: true): Promise<number>;
  /** As ioredis has it: messages come as the events `message` and `messageBuffer`. */
  subscribe(...channels: Array<string | string[]>): Promise<number>;
  /** Globs; the events are `pmessage` and `pmessageBuffer`. */
  psubscribe: Client['subscribe'];
  pSubscribe: Client['subscribe'];
  /** Sharded channels (Redis 7); the events are `smessage` and `smessageBuffer`. */
  ssubscribe: Client['subscribe'];
  sSubscribe: Client['subscribe'];

  /**
   * Ends one listener, or everything of these channels, or of all. Nothing of it comes any more
   * from now on; resolves how many channels and patterns are left, when the server knows.
   * @throws E_INVALID_CHANNEL
   */
  unsubscribe(channels: string | string[], listener: TextListener | BufferListener, asBuffers?: boolean): Promise<number>;
  unsubscribe(...channels: Array<string | string[]>): Promise<number>;
  punsubscribe: Client['unsubscribe'];
  pUnsubscribe: Client['unsubscribe'];
  sunsubscribe: Client['unsubscribe'];
  sUnsubscribe: Client['unsubscribe'];

  on<E extends keyof ClientEvents>(event: E, listener: (...args: ClientEvents[E]) => void): this;
  once<E extends keyof ClientEvents>(event: E, listener: (...args: ClientEvents[E]) => void): this;
  off<E extends keyof ClientEvents>(event: E, listener: (...args: ClientEvents[E]) => void): this;
}

export interface ClientEvents {
  connect: [];
  ready: [];
  error: [error: Error & { code: string }];
  close: [];
  reconnecting: [];
  end: [];
  gap: [gap: Gap];
  message: [channel: string, message: string];
  messageBuffer: [channel: Buffer, message: Buffer];
  pmessage: [pattern: string, channel: string, message: string];
  pmessageBuffer: [pattern: string, channel: Buffer, message: Buffer];
  smessage: [channel: string, message: string];
  smessageBuffer: [channel: Buffer, message: Buffer];
}

/** pino, console, winston: anything with these four. */
export interface Logger {
  debug(line: string): void;
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/**
 * PEM is accepted as Node's `tls` accepts it, and with `\n` in two letters. What cannot be used is `E_INVALID_OPTION` at the
 * first call: a key that is encrypted, too short or of another kind than RSA, P-256, P-384, P-521 (not as `key`) and Ed25519. The server is always
 * verified; `rejectUnauthorized` is refused, and the error says what to set instead.
 */
export interface TlsOptions {
  /**
   * PEM: authorities, or the very certificate of the server, whoever has signed it, with its name and while it is valid.
   * Takes the place of Mozilla's roots and of `NODE_EXTRA_CA_CERTS`.
   */
  ca?: string | Uint8Array | (string | Uint8Array)[];
  /** PEM, with `key`: the client's certificate chain. */
  cert?: string | Uint8Array;
  /** PEM, not encrypted. */
  key?: string | Uint8Array;
  /** The name that the server's certificate has to hold. Default: the host. */
  servername?: string;
}

/** Counted since the backplane was made. */
export interface CacheMetrics {
  /** Reads that found a value. */
  hits: number;
  /** Those of them that this process answered: from memory in front of Redis, or while Redis was away. */
  memoryHits: number;
  misses: number;
  /** Values that were not kept because they may be older than what was deleted or invalidated, or are not known to be kept. */
  fencedSets: number;
}

/** Of one function, counted since the backplane was made. */
export interface FunctionMetrics {
  /** Calls that were answered or rejected. */
  calls: number;
  /** Those that were rejected after their arguments had been accepted. */
  errors: number;
  /** Those that this process answered: from memory in front of Redis, or while Redis was away. */
  fromMemory: number;
  /** Of functions that read a cache. */
  hits?: number;
  misses?: number;
  /**
   * In milliseconds, within 1 %, of the calls of the last 30 to 60 s: from the end of the tick in which a call was
   * made to its answer, without the time of a loader. Calls that were answered at once from memory in front of
   * Redis are not among them. Null: there were none.
   */
  latencyMs: { mean: number; p50: number; p90: number; p99: number; max: number } | null;
}

/** What is kept in this process (docs/metrics.md). */
export type MemoryKind =
  | 'values'
  | 'tags'
  | 'sessions'
  | 'locks'
  | 'leases'
  | 'waiters'
  | 'gifts'
  | 'limits'
  | 'fills'
  | 'journal'
  | 'resets'
  | 'presence'
  | 'removals'
  | 'localCache'
  | 'messages'
  | 'owners'
  | 'mailboxes';

export interface Metrics {
  connection: {
    state: 'idle' | 'connecting' | 'ready' | 'degraded' | 'closed';
    /** Epoch ms: since when Redis is there, or away; a reconnect within one attempt is no change. */
    since: number;
    /** Why Redis is away. */
    reason: string | null;
    /** How often a connection was ready, and how often Redis was away. */
    becameReady: number;
    becameDegraded: number;
    /** What the server says that it is, as far as it does; null while Redis is away. */
    server: { name: string | null; version: string | null; mode: string | null; role: string | null } | null;
  };
  /** How often the server has refused something that it forbids this user, or does not know: a command by its name, `keys`, `channels`. */
  forbidden: Record<string, number>;
  /**
   * Of the server, in bytes; `maxMemory` is 0 when there is no limit; `at`, in epoch ms, is when it was asked. It is asked in
   * the background, at most once in 5 s, whenever metrics are read: null at the first time, and while Redis is away.
   */
  redis: { usedMemory: number; maxMemory: number; at: number } | null;
  /** By name, as `cacheGet` or `queryCache.getOrSet`: those that have been called. */
  functions: Record<string, FunctionMetrics>;
  /** Rate limits: what was asked of them. */
  limits: { allowed: number; denied: number };
  /** Messages; `dropped` came faster than they were taken, `gaps` are the events of that name. */
  pubsub: { published: number; received: number; dropped: number; gaps: number };
  /** Now: calls under way, messages that have not been taken yet. */
  queues: { calls: number; messages: number; messageBytes: number };
  /**
   * What is kept in this process, now: entries of the store that answers while Redis is away, and the bytes of everything, by kind. What
   * each kind is, and what happens at its bound, is in docs/metrics.md.
   */
  memory: { entries: number; bytes: number; kinds: Record<MemoryKind, number> };
  /** Of `cacheGetOrSet` and `queryCache.getOrSet`. */
  loaders: { runs: number; failures: number };
  caches: {
    /** `staleServed`: how often a loader failed and the old value was within `staleSeconds`. */
    cache: CacheMetrics & { staleServed: number };
    queries: CacheMetrics;
    sessions: CacheMetrics;
    messages: CacheMetrics;
  };
}

/** What this backplane has counted, no key, channel or id among it. Never throws, opens no connection. O(1), some 50 µs. */
export function getMetrics(): Metrics;

/**
 * The same as text in Prometheus' exposition format 0.0.4 (`text/plain; version=0.0.4`), names beginning with `redis_backplane_`.
 * The only labels are names of this package's own: `function`, `cache`, `result`, `to`, `quantile`, `what`.
 */
export function prometheusMetrics(): string;

export interface Health {
  /**
   * `degraded`: Redis is away, or the configuration is wrong; the functions answer from memory. Or Redis is there, and forbids what is
   * needed, or lets no connection in that receives.
   */
  status: 'ok' | 'degraded' | 'closed';
  /** Of a PING and its answer, in ms; null when there was none. */
  latencyMs: number | null;
  /** Epoch ms: since when the status is what it is. */
  since: number;
  /** Why it is degraded. For people; holds no secret. */
  reason: string | null;
  /** What the server has refused this user in the last ten minutes: commands by their names, `keys`, `channels`. */
  forbidden: string[];
}

/** Asks Redis whether it is there; connects, if need be. Never rejects; answers within `commandTimeoutMs`. O(1). */
export function health(): Promise<Health>;

/** Who to log in as; at least one of the two. */
export interface Credentials {
  username?: string;
  password?: string;
}

/**
 * What is unknown here or malformed is a TypeError or RangeError of the first call: `E_INVALID_OPTION`, `E_INVALID_URL`,
 * `E_INVALID_PORT`. Strings that are empty count as absent.
 *
 * What is wrong in the environment is an operator's mistake and rejects nothing: one line (an error of the logger) names
 * the variable, everything works from memory, and {@link health} says `degraded`, and why. White space around a variable's
 * value is cut off.
 */
export interface BackplaneOptions {
  /**
   * `redis://` or `valkey://`, `rediss://` or `valkeys://` (TLS), `unix://`, or `host:port` alone; with user and password,
   * whose special characters are percent-encoded, and a database: `/3` or `?db=3` (for a Unix socket `?db=3`). Several hosts,
   * separated by commas, are tried in turn; all connections go to the one that serves. Default: `REDIS_URL`. Ignored with a
   * warning when it holds a template that was not filled in (`${{…}}`) or names no host.
   */
  url?: string;
  /** A name or an address, or several of them separated by commas. Default: `REDISHOST`, `REDIS_HOST`, then localhost. */
  host?: string;
  /** Default: `REDISPORT`, `REDIS_PORT`, then 6379. */
  port?: number;
  /**
   * The database, 0 to 2^31 - 1; for 0 nothing is sent. Default: that of the URL, else, where the environment tells the
   * server or a part of it, `REDIS_DB`, then 0.
   */
  db?: number;
  /**
   * Default: that of the URL, else `REDISUSER`, `REDIS_USER`. Without a password it is sent with an empty one, which a
   * user with `nopass` has. A server that knows no users (up to Redis 5) is sent the password alone.
   */
  username?: string;
  /**
   * Default: that of the URL, else `REDISPASSWORD`, `REDIS_PASSWORD`. A server that wants none serves nevertheless, and
   * that is logged once.
   */
  password?: string;
  /**
   * Asked before every login, in the place of `username` and `password`, for those that expire: at each connection and
   * reconnection, that of a subscriber too. Has nine tenths of `connectTimeoutMs` to answer. One that throws, rejects, answers
   * late or anything else is an outage with a reason, and is asked again. What it answers is never logged.
   */
  credentials?: () => Credentials | Promise<Credentials>;
  /** Always verified. `rediss://` turns it on too. Refused beside a `unix://` URL. */
  tls?: boolean | TlsOptions;
  /** Put before every key and every channel. Default: nothing. */
  keyPrefix?: string;
  /** Bounds one attempt to connect, and with it the calls that wait for the first. Default 2000. */
  connectTimeoutMs?: number;
  /**
   * The longest silence: Redis is taken as away when it owes an answer and nothing has moved for so long. Bounds every call
   * whose data is small. A call that carries, or waits for, something large (from 1 KiB beside many others to 256 KiB alone) has
   * so long again each time that 16 KiB of it, or of what is before it, have moved; where the system has taken all of it and tells
   * no more, time for its size at 2 MB/s; and 30 times `commandTimeoutMs` at most.
   *
   * Default 1000. What a call tells (sets, deletes, invalidates, removes) is remembered when its time is over:
   * the call is answered as one that was carried out, and goes on until Redis has it, or, when Redis is found to be away,
   * this process, which tells Redis when it is back. So beyond a third of it for a round trip, presence and sessions are answered
   * first and there for others a moment later.
   */
  commandTimeoutMs?: number;
  /**
   * Bounds of what is kept in this process: values in entries, and everything together in bytes (docs/metrics.md). Default 100,000
   * entries and 128 MiB.
   */
  memory?: { maxEntries?: number; maxBytes?: number };
  /** Bounds of what each subscriber has not taken yet. Default 100,000 messages and 64 MiB. */
  pubsub?: { maxQueued?: number; maxQueuedBytes?: number };
  /**
   * Who gets a lock while Redis is away: `local` (default), whoever is first in this process; `deny`,
   * nobody.
   */
  locks?: { onUnavailable?: 'local' | 'deny' };
  /**
   * `heartbeat`: whether what is set here is there for as long as this backplane is, whatever its TTL; when its
   * process is killed it is gone everywhere within 30 s. Default `false`.
   */
  presence?: { heartbeat?: boolean };
  /**
   * How long results about messages are kept, default 300 s, and how many of them in memory: at most
   * `maxEntries`, default 1000, of together `maxBytes`, default 64 MiB, with some 160 bytes for each beside its text.
   */
  messageCache?: { ttlSeconds?: number; maxEntries?: number; maxBytes?: number };
  /**
   * Memory in front of {@link cacheGet} and {@link cacheGetOrSet}, for values read on Redis: off by default; at most
   * `maxEntries`, default 100,000, of together `maxBytes`, default 64 MiB, for at most `ttlSeconds`, default 60. Instances that share keys
   * all have to have it on, so that they tell each other of changes; what other clients change is seen after `ttlSeconds`.
   */
  localCache?: { maxEntries?: number; maxBytes?: number; ttlSeconds?: number };
  /** `degradedTtlSeconds`: how long results are kept while Redis is away, at most. Default 5. */
  queryCache?: { degradedTtlSeconds?: number };
  /** Default: prints when Redis is ready and when it goes away, and nothing else. */
  logger?: Logger;
}

/** The same functions, on their own connections and with their own configuration. */
export interface Backplane {
  cacheGet: typeof cacheGet;
  cacheSet: typeof cacheSet;
  cacheDelete: typeof cacheDelete;
  cacheDeletePattern: typeof cacheDeletePattern;
  cacheGetOrSet: typeof cacheGetOrSet;
  messageCache: MessageCache;
  queryCache: QueryCache;
  sessionCache: SessionCache;
  checkRateLimit: typeof checkRateLimit;
  resetRateLimit: typeof resetRateLimit;
  acquireLock: typeof acquireLock;
  releaseLock: typeof releaseLock;
  lock: typeof lock;
  withLock: typeof withLock;
  setPresence: typeof setPresence;
  removePresence: typeof removePresence;
  isUserOnline: typeof isUserOnline;
  areUsersOnline: typeof areUsersOnline;
  getUserPresence: typeof getUserPresence;
  getLastSeen: typeof getLastSeen;
  getOnlineUsersInRoom: typeof getOnlineUsersInRoom;
  countOnlineUsersInRoom: typeof countOnlineUsersInRoom;
  getRoomPresence: typeof getRoomPresence;
  watchRoom: typeof watchRoom;
  PresenceService: typeof PresenceService;
  publish: typeof publish;
  createSubscriber: typeof createSubscriber;
  getPubSub: typeof getPubSub;
  RedisPubSub: typeof RedisPubSub;
  socketIoAdapter: typeof socketIoAdapter;
  isRedisAvailable: typeof isRedisAvailable;
  getMetrics: typeof getMetrics;
  prometheusMetrics: typeof prometheusMetrics;
  health: typeof health;
  getClient: typeof getClient;
  close: typeof close;
}

/**
 * Makes an independent backplane: for tests, for several Redis servers, for several prefixes.
 * Opens no connection and throws nothing; its first call does.
 */
export function createBackplane(options?: BackplaneOptions): Backplane;
