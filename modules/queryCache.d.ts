/** Replaces a server's own `src/infrastructure/cache/queryCache.js`. */
import { QueryCache } from '../index';

/** {@link QueryCache.get} */
export const get: QueryCache['get'];

/** {@link QueryCache.set} */
export const set: QueryCache['set'];

/** {@link QueryCache.getOrSet} */
export const getOrSet: QueryCache['getOrSet'];

/** {@link QueryCache.invalidate} */
export const invalidate: QueryCache['invalidate'];

/** {@link QueryCache.invalidateQuery} */
export const invalidateQuery: QueryCache['invalidateQuery'];

/** {@link QueryCache.invalidateRoom} */
export const invalidateRoom: QueryCache['invalidateRoom'];
