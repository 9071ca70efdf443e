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
 * only the read of a value over 256 KiB may see what a later call leaves.
 *
 * @param key 1 byte to 64 KiB of well-formed Unicode; stored as `<keyPrefix>cache:<key>`.
 * @throws E_INVALID_KEY, E_CLOSED
 */
export function cacheGet<T = Json>(key: string): Promise<T | null>;

/**
 * Keeps a value for a time, in place of what was there. O(1).
 *
 * Resolves `true` when it is kept, `false` when it is not or not known to be (larger than the
 * in-memory store, or the answer was lost). While Redis is away it is kept in this process, and
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
 * long as there are keys.
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

/**
 * What is left of a Redis client when the functions above do the work. It shares the connections
 * of its backplane: `quit` and `disconnect` close the backplane.
 *
 * Events: `connect`, `ready`, `error`, `close`, `reconnecting`, `end`. An `error` that nobody
 * listens to is logged, not thrown.
 */
export interface Client {
  /** Before the first call: `wait`. While Redis is away: `reconnecting`. After `close`: `end`. */
  readonly status: 'wait' | 'connecting' | 'ready' | 'reconnecting' | 'end';

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

  /** `call` with an array, as node-redis has it. */
  sendCommand(words: Array<string | Uint8Array>): Promise<Reply>;

  /** Closes the backplane; resolves when that is done. */
  quit(): Promise<'OK'>;

  /** Closes the backplane. */
  disconnect(): void;

  on(event: 'error', listener: (error: Error & { code: string }) => void): this;
  on(event: ClientEvent, listener: () => void): this;
  once(event: 'error', listener: (error: Error & { code: string }) => void): this;
  once(event: ClientEvent, listener: () => void): this;
  off(event: ClientEvent | 'error', listener: (...args: never[]) => void): this;
}

export type ClientEvent = 'connect' | 'ready' | 'close' | 'reconnecting' | 'end';

/** pino, console, winston: anything with these four. */
export interface Logger {
  debug(line: string): void;
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

export interface TlsOptions {
  /** PEM; takes the place of Mozilla's roots. */
  ca?: string | Buffer;
  /** PEM, with `key`: the client's certificate chain. */
  cert?: string | Buffer;
  key?: string | Buffer;
  /** The name that the server's certificate has to hold. Default: the host. */
  servername?: string;
}

/**
 * Options win over the environment; empty strings count as unset. What is wrong is reported by
 * the first call, as `E_INVALID_URL`, `E_INVALID_PORT` or `E_INVALID_OPTION`, never with a value.
 */
export interface BackplaneOptions {
  /**
   * `redis://`, `rediss://` (TLS) or `unix://`, with user, password and `/db` (for a Unix socket
   * `?db=`). Default: `REDIS_URL`. Ignored with a warning when it holds a template that was not
   * filled in (`${{…}}`) or names no host.
   */
  url?: string;
  /** Default: `REDISHOST`, `REDIS_HOST`, then localhost. */
  host?: string;
  /** Default: `REDISPORT`, `REDIS_PORT`, then 6379. */
  port?: number;
  /** Default: that of the URL, else `REDISUSER`, `REDIS_USER`. */
  username?: string;
  /** Default: that of the URL, else `REDISPASSWORD`, `REDIS_PASSWORD`. */
  password?: string;
  /** Always verified. `rediss://` turns it on too. */
  tls?: boolean | TlsOptions;
  /** Put before every key. Default: nothing. */
  keyPrefix?: string;
  /** Bounds one attempt to connect, and with it the calls that wait for the first. Default 2000. */
  connectTimeoutMs?: number;
  /** Bounds every call. Default 1000. */
  commandTimeoutMs?: number;
  /** Bounds of the in-memory store. Default 100,000 entries and 64 MiB. */
  memory?: { maxEntries?: number; maxBytes?: number };
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
  isRedisAvailable: typeof isRedisAvailable;
  getClient: typeof getClient;
  close: typeof close;
}

/**
 * Makes an independent backplane: for tests, for several Redis servers, for several prefixes.
 * Opens no connection and throws nothing; its first call does.
 */
export function createBackplane(options?: BackplaneOptions): Backplane;
