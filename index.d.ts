/**
 * redis-backplane: everything a Node.js server uses Redis for, as one native addon.
 *
 * Every function below belongs to a default backplane, which is configured from the environment at
 * its first call. {@link createBackplane} makes independent ones. No function blocks, and none
 * rejects because of a Redis outage: while Redis is unavailable, the documented functions are
 * answered by this process. Only a programming error rejects, with a `TypeError` or `RangeError`
 * that carries a stable `code` (docs/errors.md), before anything is sent.
 */

/** Anything that `JSON.parse` can return. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * Reads a cached value. O(1).
 *
 * Resolves to a fresh copy of the value as JSON represents it. Resolves to `null` when there is no
 * such value: never set, expired, evicted, of another type, or not JSON. While Redis is
 * unavailable, reads from the memory of this process.
 *
 * Calls for one key take effect in the order in which they are made, also without `await` between
 * them. One exception: the read of a large value may see the effect of a later call. A value over
 * 256 KiB is large; beside many other calls, or on a slow connection, a value over 1 KiB is large.
 *
 * @param key 1 byte to 64 KiB of well-formed Unicode; stored as `<keyPrefix>cache:<key>`.
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function cacheGet<T = Json>(key: string): Promise<T | null>;

/**
 * Stores a value for a limited time and replaces the previous one. O(1).
 *
 * Resolves to `true` when the value is stored or remembered. Resolves to `false` when it is not, or
 * when the outcome is unknown: the value is larger than the in-memory store, or a large value could
 * not be sent in time. While Redis is unavailable, the value is stored in this process, and the key
 * is deleted on Redis before anything is read there again.
 *
 * @param value anything that JSON can represent, up to 64 MiB of JSON text.
 * @param ttlSeconds default 3600; may be a fraction; above 0, at most 10 years.
 * @throws E_INVALID_KEY, E_INVALID_VALUE, E_INVALID_TTL, E_CLOSED
 */
export function cacheSet(key: string, value: unknown, ttlSeconds?: number): Promise<boolean>;

/**
 * Deletes a key. A running loader of {@link cacheGetOrSet} does not store its value afterwards.
 * O(1).
 *
 * Resolves to `true` when the delete is done, whether or not the key existed. While Redis is
 * unavailable, the delete takes effect in this process at once, and on Redis before anything is
 * read there again.
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function cacheDelete(key: string): Promise<boolean>;

/**
 * Deletes every key that matches a Redis glob (`*`, `?`, `[a-z]`, `[^a]`, `\` before a literal).
 *
 * Resolves to the number of keys removed. Not atomic: keys that are set during the call may remain.
 * O(keys in the database), in bounded steps of SCAN and UNLINK on a separate connection, in
 * constant memory. Each step may take `commandTimeoutMs`, after which Redis counts as unavailable.
 * The whole call has no time limit. While Redis is recovering, the call waits until the deletes of
 * the outage are applied there.
 *
 * @throws E_INVALID_PATTERN, E_CLOSED
 */
export function cacheDeletePattern(pattern: string): Promise<number>;

export interface GetOrSetOptions {
  /** How long the loaded value is served. Default 3600. */
  ttlSeconds?: number;
  /** How much longer the value is kept, to be served when a loader fails. Default 0: not at all. */
  staleSeconds?: number;
  /** How long the loader may run before its callers get `E_LOADER_TIMEOUT`. Default 30000. */
  loaderTimeoutMs?: number;
}

/**
 * Reads a value, or loads and stores it. At most one loader per key runs in this process at a time,
 * and all callers get a copy of what it loads.
 *
 * If the key is set or deleted while the loader runs, by any caller, process or client, that change
 * wins: the loaded value is returned but not stored, and later callers load again (the leases of
 * "Scaling Memcache at Facebook", NSDI '13). If the loader fails, its callers get the old value if
 * it is within `staleSeconds`, otherwise the loader's error. Nothing is stored.
 *
 * One round trip on a hit, three on a miss.
 *
 * @throws the loader's own error; E_LOADER_TIMEOUT, E_INVALID_KEY, E_INVALID_CALLBACK,
 *   E_INVALID_TTL, E_INVALID_OPTION, E_INVALID_VALUE (the loaded value), E_CLOSED
 */
export function cacheGetOrSet<T = Json>(
  key: string,
  loader: () => T | Promise<T>,
  options?: GetOrSetOptions
): Promise<T>;

/**
 * A cache for results about messages, keyed by a hash of the message. The results are stored on
 * Redis for all instances. An in-memory cache in front of it answers hits without a round trip.
 * While Redis is unavailable, only the in-memory cache is used.
 */
export interface MessageCache {
  /**
   * Computes the hash of a message. Texts that differ only in case and outer white space have the
   * same hash; any other difference gives another hash. A numeric id equals the string of its
   * digits. An id may be absent.
   *
   * @throws synchronously: E_INVALID_VALUE (text), E_INVALID_KEY (ids)
   */
  generateHash(text: string, senderId?: string | number | null, receiverId?: string | number | null): string;
  /**
   * Reads a result, a fresh copy each time, or `null`. A result that another instance overwrites or
   * clears is no longer read here a moment later, after at most 100 ms while both are connected.
   * O(1).
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  get<T = Json>(hash: string): Promise<T | null>;
  /**
   * Stores a result for `messageCache.ttlSeconds`. O(log of all results).
   *
   * @throws E_INVALID_KEY, E_INVALID_VALUE, E_CLOSED
   */
  set(hash: string, result: unknown): Promise<void>;
  /** Frees the memory of expired results. Expired results are never read in any case. */
  clearExpired(): void;
  /**
   * Removes all results, on all instances. None of them is read from the moment of the call.
   * O(results).
   *
   * @throws E_CLOSED
   */
  clear(): Promise<void>;
  /** @throws E_CLOSED */
  getStats(): Promise<MessageCacheStats>;
}

/** Statistics of this backplane, counted since it was created. */
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
  /** Hits that were answered from memory. */
  memoryHits: number;
  misses: number;
}

export const messageCache: MessageCache;

/**
 * Any plain values. The order of keys does not matter, `1` is not `"1"`, and `null` is not absent.
 */
export type QueryParams = Record<string, unknown>;

/**
 * A cache for query results, keyed by the name of the query and its parameters. A result belongs to
 * its query and to the rooms in `params.roomId` and `params.room_id` (each one or an array;
 * together at most 32). A room is identified by its JSON form: a number is the room with its
 * digits, and an object with `toJSON` is the room that it returns.
 *
 * **Fenced**: a result that was being loaded while its query or room was invalidated, by any
 * process, is not stored. docs/cache.md explains how, and what it costs. While Redis is
 * unavailable, results are kept in this process for at most `queryCache.degradedTtlSeconds`.
 */
export interface QueryCache {
  /**
   * Reads a result, or `null`. A miss is remembered for the {@link QueryCache.set} that follows.
   * O(rooms).
   *
   * @throws E_INVALID_KEY (a name or a room), E_INVALID_VALUE (params that cannot be distinguished
   *   from others: functions, BigInts, cycles, over 64 KiB; objects of classes without `toJSON`,
   *   such as RegExp, URLSearchParams or Error; objects with symbols as keys), E_CLOSED
   */
  get<T = Json>(queryName: string, params?: QueryParams): Promise<T | null>;
  /**
   * Stores a result. O(rooms × log of their results), two round trips.
   *
   * Resolves to `false` when nothing is stored. This happens when the query or one of its rooms was
   * invalidated, or Redis was emptied, after the `get` of this process that missed the result. It
   * also happens when several misses of the result saw different versions and not all of them have
   * been followed by a `set`.
   *
   * @param ttlSeconds default 300
   * @throws as {@link QueryCache.get}, and E_INVALID_TTL
   */
  set(queryName: string, params: QueryParams | undefined, result: unknown, ttlSeconds?: number): Promise<boolean>;
  /**
   * Reads a result, or loads and stores it. At most one loader per result runs in this process at a
   * time, for at most 30 s. A call made after an invalidation never gets a value that was loaded
   * before it.
   *
   * @throws the loader's own error, E_LOADER_TIMEOUT, E_INVALID_CALLBACK, and as
   *   {@link QueryCache.set}
   */
  getOrSet<T = Json>(
    queryName: string,
    params: QueryParams | undefined,
    loader: () => T | Promise<T>,
    ttlSeconds?: number
  ): Promise<T>;
  /**
   * Removes the results of all queries whose names match a Redis glob. Resolves to the number of
   * results removed. O(keys in the database), as {@link cacheDeletePattern}.
   *
   * @throws E_INVALID_PATTERN, E_CLOSED
   */
  invalidate(queryPattern: string): Promise<number>;
  /**
   * Removes the results of one query. Resolves to the number of results removed. None of them is
   * read from the moment of the call. O(results removed).
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  invalidateQuery(queryName: string): Promise<number>;
  /**
   * Removes the results of a room, whatever the query. Resolves to the number of results removed.
   * O(results removed).
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  invalidateRoom(roomId: string | number): Promise<number>;
}

export const queryCache: QueryCache;

/**
 * A cache for sessions, keyed by the id of their socket. A session belongs to the `email` and to
 * the `userId` in its data, each in its JSON form, trimmed and in lower case. While Redis is
 * unavailable, sessions are kept in this process. The sessions that it sets during the outage are
 * set on Redis afterwards, with their remaining TTL.
 */
export interface SessionCache {
  /**
   * Reads a session, or `null`. It also resolves to `null` when Redis has evicted the index of one
   * of the session's users, because such a session could not be invalidated. O(users of the
   * session), of which there are at most two. One round trip; two the first time that a process
   * reads a session which it did not set.
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  getSession<T = Json>(socketId: string): Promise<T | null>;
  /**
   * Stores a session and replaces the previous one of the socket. Resolves to `true` when it is
   * stored or remembered (see `commandTimeoutMs`). O(log of the user's sessions), three round
   * trips.
   *
   * @param ttlSeconds default 300
   * @throws E_INVALID_KEY, E_INVALID_VALUE, E_INVALID_TTL, E_CLOSED
   */
  setSession(socketId: string, data: unknown, ttlSeconds?: number): Promise<boolean>;
  /**
   * Removes a session. Resolves to `true` when it is done, whether or not the session existed.
   * O(1).
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  deleteSession(socketId: string): Promise<boolean>;
  /**
   * Removes the sessions of a user, given by email or by id, and of nobody else. Resolves to the
   * number of sessions removed. A session that is set after the call began remains. O(sessions of
   * the user).
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  invalidateUserSessions(user: string | number): Promise<number>;
}

export const sessionCache: SessionCache;

export interface RateLimitOptions {
  /**
   * `fixed-window` (default) counts from the first request until the window has passed.
   * `sliding-window` counts the current window plus the part of the previous one that is less than
   * a window ago (the sliding window counter). `token-bucket` allows `maxRequests` at once and
   * refills evenly over a window (GCRA, ITU-T I.371).
   */
  algorithm?: 'fixed-window' | 'sliding-window' | 'token-bucket';
  /** How much this request counts. Default 1. A cost above the limit is always denied. */
  cost?: number;
}

export interface RateLimit {
  allowed: boolean;
  /** How much would still be allowed now; rounded down. */
  remaining: number;
  /** Epoch ms by Redis's clock: when the count is back at zero, if no more requests come. */
  resetAt: number;
  /** The current count, including this request if it was allowed; rounded up. */
  count: number;
  /** `maxRequests`. */
  limit: number;
  /** How long until a request of this cost may be allowed; 0 when it was allowed. */
  retryAfterMs: number;
  /**
   * Where it was counted. `memory` while Redis is unavailable, when its answer was lost, or when
   * access rules forbid the scripts.
   */
  source: 'redis' | 'memory';
}

/**
 * Counts a request if it fits into the limit of `key`. Exact: any number of processes and parallel
 * calls are allowed `maxRequests` in total and no more. A denied request is not counted. O(1), one
 * script that uses the server's clock. A limit that is known to be exhausted is answered by this
 * process for up to a second without asking Redis.
 *
 * While Redis is unavailable, this process counts by itself, from zero. Redis resumes with its own
 * count when it is back. A check whose answer was lost is never repeated; it is decided by this
 * process's own count. Limits in memory have a share of `memory.maxBytes` (docs/metrics.md). When
 * it is full, the least used limits start again from zero.
 *
 * Each algorithm counts a key separately. Use one limit and one window per key.
 *
 * @param maxRequests a whole number above 0.
 * @param windowSeconds default 60; may be a fraction; above 0, at most 10 years.
 * @throws E_INVALID_KEY, E_INVALID_COUNT, E_INVALID_TTL, E_INVALID_OPTION, E_CLOSED
 */
export function checkRateLimit(
  key: string,
  maxRequests: number,
  windowSeconds?: number,
  options?: RateLimitOptions
): Promise<RateLimit>;

/**
 * Resets the count of `key`, for every algorithm and on all instances. O(1).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function resetRateLimit(key: string): Promise<void>;

/**
 * Acquires the lock `key` if it is free, for at most `ttlSeconds`. Resolves to `false` when
 * somebody else holds it or is ahead in the queue. Only `releaseLock` and the end of the lease
 * release it. O(log waiters), one script.
 *
 * A lock is a lease: it ends after its TTL, whatever its holder is doing (docs/locks.md). Use
 * {@link withLock} for work that may take longer.
 *
 * While Redis is unavailable, the lock is local to this backplane, or is denied (`locks` of
 * {@link BackplaneOptions}). It is also denied when access rules forbid scripts. Held locks have a
 * share of `memory.maxBytes` (docs/metrics.md), about 100,000 locks by default. When it is full, no
 * further lock is granted.
 *
 * @param ttlSeconds default 30; may be a fraction; above 0, at most 10 years. A lease that may have
 *   ended by the time its answer arrives, allowing 2 ms for clock drift, is not granted.
 * @throws E_INVALID_KEY, E_INVALID_TTL, E_CLOSED
 */
export function acquireLock(key: string, ttlSeconds?: number): Promise<boolean>;

/**
 * Releases the lock that {@link acquireLock} of this backplane acquired, if this backplane still
 * holds it. The first waiter gets it. A release that is late, repeated, or for a lock of another
 * process does nothing. O(log waiters), one script.
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function releaseLock(key: string): Promise<void>;

export interface LockOptions {
  /** Duration of the lease. Default 30; may be a fraction; above 0, at most 10 years. */
  ttlSeconds?: number;
  /**
   * How long to wait for a lock that is held by another, in ms. 0 does not wait; `Infinity` waits
   * until the lock is free or `signal` aborts. Default 0 for {@link lock}, 10,000 for
   * {@link withLock}.
   */
  waitMs?: number;
  /** Ends the wait. The call then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** A held lock. */
export interface Lock {
  readonly key: string;
  /** The value of `lock:<key>` on Redis while the lock is held; 32 hexadecimal digits. */
  readonly token: string;
  /**
   * Greater than the fence of every earlier acquisition of this key. Store the last fence beside
   * the data to be able to refuse a late write (docs/locks.md).
   */
  readonly fence: number;
  /**
   * Aborts with `E_LOCK_LOST` before anyone else can hold the lock: at the end of the lease, even
   * when Redis cannot be reached or this process was paused, and when the lock turns out to belong
   * to another holder. Reading `aborted` checks the clock. Does not abort when the lock is
   * released.
   */
  readonly signal: AbortSignal;
  /**
   * Makes the lease end `ttlSeconds` from now (default: the TTL at acquisition), whether that is
   * later or earlier than before. Resolves to `false` when the lease has ended, or when Redis
   * granted it and is unavailable.
   *
   * @throws E_INVALID_TTL, E_CLOSED
   */
  extend(ttlSeconds?: number): Promise<boolean>;
  /**
   * Releases the lock and hands it to the first waiter. Resolves to `false` when the lease had
   * already ended or when this is unknown; `signal` then aborts.
   *
   * @throws E_CLOSED
   */
  release(): Promise<boolean>;
  /** As `release`, for `await using`. Never rejects. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Acquires the lock `key`, or waits for it: first come, first served, across all processes. A
 * waiter is woken when the lock is released or its lease ends. Resolves to `null` when the lock did
 * not become free in time, or when access rules forbid scripts. O(log waiters), one script. The
 * first call that waits opens one more connection, which remains open as long as this backplane.
 *
 * A lock that is acquired while Redis is unavailable is acquired on Redis as soon as Redis is back,
 * if it is free there. Otherwise its `signal` aborts.
 *
 * @throws E_INVALID_KEY, E_INVALID_TTL, E_INVALID_OPTION, E_CLOSED, and the reason of `signal`
 */
export function lock(key: string, options?: LockOptions): Promise<Lock | null>;

/**
 * Runs `callback` while holding a lock and resolves to its result. The lock is renewed on a
 * separate thread as long as the callback runs. `lock.signal` aborts if the lock is lost meanwhile.
 *
 * @throws E_NOT_LOCKED when the lock does not become free within `waitMs`; the callback has not
 *   run.
 * @throws E_INVALID_KEY, E_INVALID_TTL, E_INVALID_OPTION, E_INVALID_CALLBACK, E_CLOSED, and the
 *   reason of `signal`
 */
export function withLock<T>(
  key: string,
  options: LockOptions,
  callback: (lock: Lock) => T | Promise<T>
): Promise<T>;
export function withLock<T>(key: string, callback: (lock: Lock) => T | Promise<T>): Promise<T>;

/** Any data about a socket. */
export interface PresenceMetadata {
  /** The room or rooms that the socket is in. Absent: none. */
  roomId?: string | string[] | null;
  [name: string]: unknown;
}

/** A present socket with its metadata. */
export interface Present extends PresenceMetadata {
  userId: string;
  socketId: string;
  /** Epoch ms: when the socket was last set or, with a heartbeat, last confirmed alive. */
  lastSeen: number;
}

/**
 * Marks a socket of a user as present for `ttlSeconds`. The socket moves from wherever it was
 * before: from other rooms, and from another user. O(rooms), one script for the socket, one for its
 * user and one for each room; three round trips.
 *
 * Resolves to `true` when it is done or remembered (see `commandTimeoutMs`). Resolves to `false`
 * when the server's access rules forbid it, or when Redis is unavailable and `memory.maxBytes`
 * leaves no room (docs/metrics.md).
 *
 * Every socket expires by itself, exactly. With `presence: { heartbeat: true }` it does not expire
 * while this backplane lives (docs/presence.md). While Redis is unavailable, the socket is present
 * for this backplane only, and is set on Redis afterwards.
 *
 * @param metadata an object that JSON can represent, up to 1 MiB, and up to 8 MiB when multiplied
 *   by the number of rooms, not counting `roomId`; default `{}`. `roomId` is one room or an array.
 * @param ttlSeconds default 300; may be a fraction; above 0, at most 10 years.
 * @throws E_INVALID_KEY (`userId`, `socketId`, `roomId`: 1 byte to 64 KiB of well-formed Unicode),
 *   E_INVALID_VALUE, E_INVALID_TTL, E_CLOSED
 */
export function setPresence(
  userId: string,
  socketId: string,
  metadata?: PresenceMetadata,
  ttlSeconds?: number
): Promise<boolean>;

/**
 * Removes a socket from all of its rooms. Has no effect on a socket that belongs to another user by
 * now, nor on the user's other sockets. Resolves to `true` when it is done, whether or not the
 * socket was present. O(rooms).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function removePresence(userId: string, socketId: string): Promise<boolean>;

/**
 * Whether a user has a socket on any instance. O(sockets of the user). While Redis is unavailable:
 * a socket of this backplane.
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function isUserOnline(userId: string): Promise<boolean>;

/**
 * The same for many users, in their order. All are asked at once. O(sockets of all).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function areUsersOnline(userIds: string[]): Promise<boolean[]>;

/**
 * The sockets of a user with their metadata, sorted by `socketId`. O(sockets of the user).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function getUserPresence(userId: string): Promise<Present[]>;

/**
 * When a user was last set, removed or, with a heartbeat, confirmed alive: epoch ms, by the
 * server's clock. `null`: not in the last 30 days. O(1).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function getLastSeen(userId: string): Promise<number | null>;

/**
 * The users that have a socket in a room, each once, in the order of `sort`. O(sockets in the
 * room), never of the keyspace. A room of over 10,000 sockets is read in steps. While Redis is
 * unavailable: the users of this backplane.
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function getOnlineUsersInRoom(roomId: string): Promise<string[]>;

/**
 * The number of users that have a socket in a room. O(sockets in the room).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function countOnlineUsersInRoom(roomId: string): Promise<number>;

/**
 * The sockets in a room with their metadata, sorted by `userId` and `socketId`. O(sockets in the
 * room).
 *
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function getRoomPresence(roomId: string): Promise<Present[]>;

/** A change in a room. All callbacks of a room get the same object. */
export interface PresenceEvent {
  /** `update`: the metadata changed. */
  type: 'join' | 'leave' | 'update';
  userId: string;
  socketId: string;
  roomId: string;
  /** For `leave`, the last known metadata. */
  metadata: PresenceMetadata;
}

/**
 * Calls `callback` for every change in a room from now on, whichever process makes it: one `join`,
 * `update` or `leave` each per socket. Sockets that are already present cause no `join`. Resolves
 * to a function that stops watching.
 *
 * A socket that was not removed is reported as a `leave` within one second after its TTL has
 * passed, and with a heartbeat within 20 s after its process was killed. After a Redis outage,
 * sockets that are present again within 5 s are not reported as left. A watch keeps the process
 * alive. All watched rooms share one connection. A room is read once when a TTL in it has passed.
 *
 * @throws E_INVALID_KEY, E_INVALID_CALLBACK, E_CLOSED
 */
export function watchRoom(
  roomId: string,
  callback: (event: PresenceEvent) => unknown
): Promise<() => Promise<void>>;

/** Presence of sockets in one room each, for 300 s. All instances of this class are equivalent. */
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
   * Extends a socket to 300 s from now, keeps its metadata, and moves it to the room if it is not
   * in it. Resolves to `false` when the socket was removed, or has expired and does not belong to
   * this backplane; it is then not restored.
   *
   * @throws E_INVALID_KEY, E_CLOSED
   */
  refreshPresence(userId: string, socketId: string, roomId?: string | string[] | null): Promise<boolean>;
}

/**
 * Publishes a message as JSON. O(receivers + patterns).
 *
 * Resolves to the number of subscriptions it reached: those of all clients of the server or, while
 * Redis is unavailable, those of this backplane. Delivered at most once: a message whose answer was
 * lost is not sent again and counts as 0. So does a message that the server refuses (which is
 * logged).
 *
 * @param channel 1 byte to 64 KiB of well-formed Unicode; on Redis `<keyPrefix><channel>`.
 * @param message anything that JSON can represent, up to 64 MiB of JSON text.
 * @throws E_INVALID_CHANNEL, E_INVALID_VALUE, E_CLOSED
 */
export function publish(channel: string, message: unknown): Promise<number>;

/**
 * A separate handle for subscriptions, the same as `getClient().duplicate()`. It opens a connection
 * at its first subscription.
 *
 * @throws the configuration's error, see {@link BackplaneOptions}
 */
export function createSubscriber(): Client;

/** A period in which messages may have been missed. */
export interface Gap {
  /** Epoch ms: from the first cause until everything was restored. */
  since: number;
  until: number;
  /** For humans. `overflow` when messages came faster than they were taken. */
  reason: string;
  /** Messages that arrived and had to be dropped; 0 when none are known. */
  dropped: number;
}

/** The pub/sub of the backplane, always the same object until it is closed. Opens no connection. */
export function getPubSub(): RedisPubSub;

/**
 * Publishes and subscribes in JSON, on its own connection.
 *
 * A subscription lasts until it is ended, survives every reconnect, and keeps the process alive.
 * While Redis is unavailable, messages that this backplane publishes reach its own subscribers.
 * Messages wait in a queue of at most `pubsub.maxQueued` messages and `pubsub.maxQueuedBytes`. When
 * it is full, the oldest are dropped, which is a gap.
 */
export class RedisPubSub {
  /**
   * Starts to connect. Resolves to `true` on Redis, to `false` when this process is on its own for
   * now. Both work, and the package switches between them by itself. Calling this is optional.
   * @throws E_CLOSED, the configuration's error
   */
  initialize(): Promise<boolean>;

  /**
   * Calls `callback` with every message of a channel, in order. A channel can have any number of
   * callbacks, which all get the same object. A callback that throws or rejects is logged and does
   * not affect the others. A message that is not JSON is logged, without its content, and dropped.
   *
   * Resolves to `true` once the subscription is in effect: confirmed by Redis, or in this process
   * while Redis is unavailable. Resolves to `false` when it is not in effect yet (refused, or no
   * answer in time); it is then retried indefinitely.
   *
   * @throws E_INVALID_CHANNEL, E_INVALID_CALLBACK, E_CLOSED
   */
  subscribe<T = Json>(channel: string, callback: (data: T, channel: string) => unknown): Promise<boolean>;

  /**
   * Ends one callback (once, if it was given twice), or all callbacks of the channel. They are no
   * longer called from this moment on. Resolves to `true` when the server knows, too.
   * @throws E_INVALID_CHANNEL, E_INVALID_CALLBACK, E_CLOSED
   */
  unsubscribe<T = Json>(channel: string, callback?: (data: T, channel: string) => unknown): Promise<boolean>;

  /** See {@link publish}. */
  publish(channel: string, data: unknown): Promise<number>;

  /**
   * The messages of a channel, for `for await`. The channel is subscribed to from the first step of
   * the loop to its end. A loop that is slower than the channel loses the oldest messages beyond
   * `pubsub.maxQueued` or, approximately, `pubsub.maxQueuedBytes`. Ends with `close()`.
   *
   * @param options.signal ends the loop with the signal's reason.
   * @throws E_INVALID_CHANNEL, E_CLOSED
   */
  messages<T = Json>(channel: string, options?: { signal?: AbortSignal }): AsyncGenerator<{ data: T; channel: string }, void>;

  /** Ends every subscription and the connection. Later calls reject with `E_CLOSED`. */
  close(): Promise<void>;

  readonly isClosed: boolean;

  on(event: 'gap', listener: (gap: Gap) => void): this;
  once(event: 'gap', listener: (gap: Gap) => void): this;
  off(event: 'gap', listener: (gap: Gap) => void): this;
}

/**
 * The adapter for `new Server(http, { adapter: socketIoAdapter() })`. It comes from the optional
 * peer dependency `@socket.io/redis-adapter` and uses this backplane's connections.
 *
 * While Redis is unavailable, the server works as a single instance. It becomes one of several, and
 * single again, by itself, while its sockets stay connected. `getClient()` emits `gap` when
 * broadcasts of other instances may have been missed.
 *
 * @param options those of the adapter (`requestsTimeout`, `publishOnSpecificResponseChannel`, …).
 *   `sharded: true` uses the adapter for sharded pub/sub (Redis 7) with its options.
 * @throws E_MISSING_PEER, E_INVALID_OPTION, the configuration's error
 */
export function socketIoAdapter(options?: { sharded?: boolean; [option: string]: unknown }): (namespace: any) => any;

/**
 * Whether Redis is available now. Synchronous; starts to connect at its first call.
 *
 * @throws the configuration's error, see {@link BackplaneOptions}
 */
export function isRedisAvailable(): boolean;

/**
 * Returns the client handle, always the same one, synchronously. Starts to connect at its first
 * call.
 *
 * @throws the configuration's error, see {@link BackplaneOptions}
 */
export function getClient(): Client;

/**
 * Waits for pending calls (at most `commandTimeoutMs`), then closes connections, ends timers and
 * frees everything kept in memory. Later calls reject with `E_CLOSED`. Never rejects.
 */
export function close(): Promise<void>;

/** The reply to a raw command: strings as UTF-8, an error inside an array as its text. */
export type Reply = null | number | string | Reply[];

/** Receives messages in the style of node-redis. */
export type TextListener = (message: string, channel: string) => unknown;
export type BufferListener = (message: Buffer, channel: Buffer) => unknown;

/**
 * The part of a Redis client that is still needed beside the functions above, in the styles of
 * ioredis and node-redis.
 *
 * All handles of a backplane share its connection for commands. A handle that subscribes has one
 * more, for what it receives, so one handle can both send and receive. `quit` and `disconnect` of
 * `getClient()` close the backplane; those of a duplicate only end its own subscriptions.
 *
 * Events: `connect`, `ready`, `error`, `close`, `reconnecting`, `end`, and `gap` when messages may
 * have been missed. An `error` without a listener is logged, not thrown.
 *
 * Every channel and pattern is prefixed with `keyPrefix` on Redis, and the prefix is removed again
 * on receipt. A subscription lasts until it is ended, survives every reconnect, and keeps the
 * process alive. A listener that throws or rejects is logged and does not affect the others.
 */
export interface Client {
  /**
   * Before the first call: `wait`. While Redis is unavailable: `reconnecting`. After the end:
   * `end`.
   */
  readonly status: 'wait' | 'connecting' | 'ready' | 'reconnecting' | 'end';
  /** Neither `wait` nor `end`. */
  readonly isOpen: boolean;
  readonly isReady: boolean;

  /**
   * Resolves when Redis is ready.
   * @throws E_UNAVAILABLE when the current attempt fails; further attempts follow
   */
  connect(): Promise<void>;

  /** @throws E_UNAVAILABLE, E_TIMEOUT */
  ping(): Promise<Reply>;

  /**
   * Sends any command that leaves the state of the connection unchanged, without `keyPrefix`. Sent
   * at most once: after `E_UNAVAILABLE` or `E_TIMEOUT` it may or may not have taken effect. Commands are
   * carried out in the order of the calls, but while a large one is under way a small one about a
   * single other key does not wait for it.
   *
   * @throws E_UNAVAILABLE (Redis is unavailable), E_TIMEOUT, E_REPLY (the server's message),
   *   E_UNSUPPORTED (would block the shared connection or change its state), E_INVALID_COMMAND,
   *   E_CLOSED
   */
  call(command: string, ...args: Array<string | number | Uint8Array>): Promise<Reply>;

  /**
   * `call` with an array, as in node-redis. `PUBSUB NUMSUB` and `PUBSUB SHARDNUMSUB` take channel
   * names as `subscribe` does. While Redis is unavailable they count this backplane's handles.
   */
  sendCommand(words: Array<string | Uint8Array>): Promise<Reply>;

  /** Another handle with its own subscriptions. */
  duplicate(): Client;

  /** Closes the backplane, or ends this duplicate. Resolves when that is done. */
  quit(): Promise<'OK'>;

  /** `quit` without waiting. */
  disconnect(): void;

  /**
   * Publishes a message as it is. Resolves like the function `publish`; never rejects because of an
   * outage.
   * @throws E_INVALID_CHANNEL, E_INVALID_VALUE, E_CLOSED
   */
  publish(channel: string, message: string | Uint8Array): Promise<number>;
  /** Publishes to a sharded channel (Redis 7). */
  spublish(channel: string, message: string | Uint8Array): Promise<number>;
  sPublish(channel: string, message: string | Uint8Array): Promise<number>;

  /**
   * As in node-redis: calls the listener with every message, as text or, with `asBuffers`, as
   * separate Buffers. One channel and one function always mean this form.
   *
   * Resolves to the number of channels and patterns that this handle is subscribed to, once Redis
   * has confirmed them or is known to be unavailable.
   * @throws E_INVALID_CHANNEL, E_CLOSED
   */
  subscribe(channels: string | string[], listener: TextListener, asBuffers?: false): Promise<number>;
  subscribe(channels: string | string[], listener: BufferListener, asBuffers: true): Promise<number>;
  /** As in ioredis: messages arrive as the events `message` and `messageBuffer`. */
  subscribe(...channels: Array<string | string[]>): Promise<number>;
  /** Globs; the events are `pmessage` and `pmessageBuffer`. */
  psubscribe: Client['subscribe'];
  pSubscribe: Client['subscribe'];
  /** Sharded channels (Redis 7); the events are `smessage` and `smessageBuffer`. */
  ssubscribe: Client['subscribe'];
  sSubscribe: Client['subscribe'];

  /**
   * Ends one listener, or everything on these channels, or on all. None of it is delivered from
   * this moment on. Resolves to the number of remaining channels and patterns when the server
   * knows.
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

/** pino, console, winston: any object with these four methods. */
export interface Logger {
  debug(line: string): void;
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/**
 * PEM is accepted as Node's `tls` accepts it, and also with line breaks written as `\n`. Unusable
 * input is `E_INVALID_OPTION` at the first call: a key that is encrypted, too short, or of another
 * kind than RSA, P-256, P-384, P-521 (not as `key`) and Ed25519. The server is always verified.
 * `rejectUnauthorized` is refused, and the error says what to set instead.
 */
export interface TlsOptions {
  /**
   * PEM: certificate authorities, or the server's own certificate, whoever signed it, as long as it
   * is valid and has the server's name. Replaces Mozilla's roots and `NODE_EXTRA_CA_CERTS`.
   */
  ca?: string | Uint8Array | (string | Uint8Array)[];
  /** PEM, together with `key`: the client's certificate chain. */
  cert?: string | Uint8Array;
  /** PEM, not encrypted. */
  key?: string | Uint8Array;
  /** The name that the server's certificate must contain. Default: the host. */
  servername?: string;
}

/** Counted since the backplane was created. */
export interface CacheMetrics {
  /** Reads that found a value. */
  hits: number;
  /** Hits that this process answered: from a local cache, or during an outage. */
  memoryHits: number;
  misses: number;
  /**
   * Values that were not stored because they might be older than a delete or an invalidation, or
   * because it is unknown whether they were stored.
   */
  fencedSets: number;
}

/** Metrics of one function, counted since the backplane was created. */
export interface FunctionMetrics {
  /** Calls that were answered or rejected. */
  calls: number;
  /** Calls that were rejected after their arguments had been accepted. */
  errors: number;
  /** Calls that this process answered: from a local cache, or during an outage. */
  fromMemory: number;
  /** For functions that read a cache. */
  hits?: number;
  misses?: number;
  /**
   * Latency in milliseconds, accurate to 1 %, of the calls of the last 30 to 60 s: from the end of
   * the tick in which a call was made to its answer, without the run time of a loader. Calls that a
   * local cache answered at once are not included. Null: there were none.
   */
  latencyMs: { mean: number; p50: number; p90: number; p99: number; max: number } | null;
}

/** The kinds of data kept in this process (docs/metrics.md). */
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
  | 'subscriptions'
  | 'watches'
  | 'localCache'
  | 'messages'
  | 'owners'
  | 'mailboxes'
  | 'iterators'
  | 'calls';

export interface Metrics {
  connection: {
    state: 'idle' | 'connecting' | 'ready' | 'degraded' | 'closed';
    /**
     * Epoch ms: since when Redis has been available or unavailable. A reconnect within one attempt
     * is not a change.
     */
    since: number;
    /** Why Redis is unavailable. */
    reason: string | null;
    /** How often a connection became ready, and how often Redis became unavailable. */
    becameReady: number;
    becameDegraded: number;
    /** What the server reports about itself, as far as it does. Null while Redis is unavailable. */
    server: { name: string | null; version: string | null; mode: string | null; role: string | null } | null;
  };
  /**
   * How often the server refused something that it forbids this user or does not know, by name: a
   * command, `keys`, or `channels`.
   */
  forbidden: Record<string, number>;
  /**
   * The server's memory, in bytes. `maxMemory` is 0 when there is no limit. `at` is the epoch ms of
   * the request. The server is asked in the background, at most once in 5 s, whenever metrics are
   * read. Null on the first read and while Redis is unavailable.
   */
  redis: { usedMemory: number; maxMemory: number; at: number } | null;
  /** By name, such as `cacheGet` or `queryCache.getOrSet`: the functions that have been called. */
  functions: Record<string, FunctionMetrics>;
  /** The outcomes of rate limit checks. */
  limits: { allowed: number; denied: number };
  /** Messages. `dropped` messages came faster than they were taken; `gaps` counts `gap` events. */
  pubsub: { published: number; received: number; dropped: number; gaps: number };
  /** Current values: calls in flight, and messages that have not been taken yet. */
  queues: { calls: number; messages: number; messageBytes: number };
  /**
   * What is kept in this process now: the entries of the store that answers during an outage, and
   * the bytes of everything, by kind. docs/metrics.md describes each kind and what happens at its
   * bound.
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

/**
 * The metrics of this backplane. They contain no key, channel or id. Never throws and opens no
 * connection. O(1), about 50 µs.
 */
export function getMetrics(): Metrics;

/**
 * The same as text in Prometheus' exposition format 0.0.4 (`text/plain; version=0.0.4`). All names
 * start with `redis_backplane_`. The only labels are names that this package defines: `function`,
 * `cache`, `result`, `to`, `quantile`, `kind`, `what`.
 */
export function prometheusMetrics(): string;

export interface Health {
  /**
   * `degraded`: Redis is unavailable or the configuration is wrong, and the functions answer from
   * memory. Also when Redis is available but forbids something that is needed, or allows no
   * receiving connection.
   */
  status: 'ok' | 'degraded' | 'closed';
  /** Round-trip time of a PING, in ms. Null when there was no answer. */
  latencyMs: number | null;
  /** Epoch ms: since when the status has had its current value. */
  since: number;
  /** Why it is degraded. For humans; contains no secret. */
  reason: string | null;
  /**
   * What the server has refused this user in the last ten minutes: commands by name, `keys`,
   * `channels`.
   */
  forbidden: string[];
}

/**
 * Asks Redis whether it is available, and connects if necessary. Never rejects; answers within
 * `commandTimeoutMs`. O(1).
 */
export function health(): Promise<Health>;

/** The user to log in as. At least one of the two is required. */
export interface Credentials {
  username?: string;
  password?: string;
}

/**
 * An unknown or malformed option is a TypeError or RangeError of the first call:
 * `E_INVALID_OPTION`, `E_INVALID_URL`, `E_INVALID_PORT`. Empty strings count as absent.
 *
 * A mistake in the environment is an operator's mistake and rejects nothing. One line (an error of
 * the logger) names the variable, everything works from memory, and {@link health} reports
 * `degraded` with the reason. White space around a variable's value is removed.
 */
export interface BackplaneOptions {
  /**
   * `redis://` or `valkey://`, `rediss://` or `valkeys://` (TLS), `unix://`, or `host:port` alone.
   * It may contain a user and a password, whose special characters are percent-encoded, and a
   * database: `/3` or `?db=3` (for a Unix socket `?db=3`). Several hosts, separated by commas, are
   * tried in turn; all connections go to the one that serves. Default: `REDIS_URL`. Ignored with a
   * warning when it contains an unexpanded template (`${{…}}`) or has no host.
   */
  url?: string;
  /**
   * A name or an address, or several separated by commas. Default: `REDISHOST`, `REDIS_HOST`, then
   * localhost.
   */
  host?: string;
  /** Default: `REDISPORT`, `REDIS_PORT`, then 6379. */
  port?: number;
  /**
   * The database, 0 to 2^31 - 1. For 0 no command is sent. Default: that of the URL; otherwise, if
   * the environment defines the server or a part of it, `REDIS_DB`; then 0.
   */
  db?: number;
  /**
   * Default: that of the URL, otherwise `REDISUSER`, `REDIS_USER`. Without a password it is sent
   * with an empty one, which works for a user with `nopass`. A server without users (up to Redis 5)
   * is sent the password alone.
   */
  username?: string;
  /**
   * Default: that of the URL, otherwise `REDISPASSWORD`, `REDIS_PASSWORD`. A server that needs no
   * password works anyway; this is logged once.
   */
  password?: string;
  /**
   * Called before every login, in place of `username` and `password`, for credentials that expire:
   * at each connection and reconnection, including those of subscribers. It has nine tenths of
   * `connectTimeoutMs` to answer. If it throws, rejects, is late or returns anything else, this
   * counts as an outage with a reason, and it is called again. Its result is never logged.
   */
  credentials?: () => Credentials | Promise<Credentials>;
  /**
   * The server is always verified. `rediss://` also enables TLS. Refused together with a `unix://`
   * URL.
   */
  tls?: boolean | TlsOptions;
  /** Prefix of every key and every channel. Default: none. */
  keyPrefix?: string;
  /**
   * Time limit of one connection attempt, and of the calls that wait for the first one. Default
   * 2000.
   */
  connectTimeoutMs?: number;
  /**
   * The longest silence. Default 1000. Redis counts as unavailable when it owes an answer and no
   * data has moved for this long.
   *
   * This is the deadline of every call whose data is small. A call that sends, receives or waits
   * for large data (from 1 KiB beside many other calls to 256 KiB alone) gets the same time again
   * whenever 16 KiB of its data, or of the data ahead of it, have moved. Once the operating system
   * has accepted all of the data and reports no further progress, the call gets the time for its
   * size at 2 MB/s. The total is at most 30 times `commandTimeoutMs`.
   *
   * A call that changes something (sets, deletes, invalidates, removes) is remembered at its
   * deadline: it resolves as if it had been carried out, and it continues in the background until
   * Redis has applied it. If Redis turns out to be unavailable, this process remembers the change
   * and applies it to Redis later. As a consequence, when a round trip takes longer than a third of
   * `commandTimeoutMs`, presence and session calls resolve a moment before other instances see the
   * change.
   */
  commandTimeoutMs?: number;
  /**
   * Bounds of the data kept in this process: the number of values, and the bytes of everything
   * together (docs/metrics.md). Default 100,000 entries and 128 MiB.
   */
  memory?: { maxEntries?: number; maxBytes?: number };
  /** Bounds of the queue of each subscriber. Default 100,000 messages and 64 MiB. */
  pubsub?: { maxQueued?: number; maxQueuedBytes?: number };
  /**
   * Who gets a lock while Redis is unavailable: `local` (default) grants it to the first caller in
   * this process; `deny` grants it to nobody.
   */
  locks?: { onUnavailable?: 'local' | 'deny' };
  /**
   * `heartbeat`: sockets set here stay present as long as this backplane lives, whatever their TTL.
   * When its process is killed, they are gone everywhere within 30 s. Default `false`.
   */
  presence?: { heartbeat?: boolean };
  /**
   * TTL (default 300 s) and in-memory bounds of the message cache: at most `maxEntries` (default
   * 1000) results of together `maxBytes` (default 64 MiB), counting about 160 bytes for each result
   * beside its text.
   */
  messageCache?: { ttlSeconds?: number; maxEntries?: number; maxBytes?: number };
  /**
   * The local cache in front of {@link cacheGet} and {@link cacheGetOrSet}, for values read from
   * Redis. Off by default. At most `maxEntries` (default 100,000) values of together `maxBytes`
   * (default 64 MiB), for at most `ttlSeconds` (default 60). All instances that share keys must
   * enable it, because they notify each other of changes. Changes made by other clients are seen
   * after `ttlSeconds`.
   */
  localCache?: { maxEntries?: number; maxBytes?: number; ttlSeconds?: number };
  /**
   * `degradedTtlSeconds`: how long results are kept while Redis is unavailable, at most. Default 5.
   */
  queryCache?: { degradedTtlSeconds?: number };
  /** Default: prints when Redis becomes ready and when it becomes unavailable, and nothing else. */
  logger?: Logger;
}

/** The same functions, with their own connections and configuration. */
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
 * Creates an independent backplane: for tests, for several Redis servers, for several prefixes.
 * Opens no connection and throws nothing; its first call does.
 */
export function createBackplane(options?: BackplaneOptions): Backplane;
