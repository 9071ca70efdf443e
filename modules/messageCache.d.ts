/** Replaces a server's own `src/core/engine/messageCache.js`. */
import { MessageCache } from '../index';

/** {@link MessageCache.generateHash} */
export const generateHash: MessageCache['generateHash'];

/** {@link MessageCache.get} */
export const get: MessageCache['get'];

/** {@link MessageCache.set} */
export const set: MessageCache['set'];

/** {@link MessageCache.clearExpired} */
export const clearExpired: MessageCache['clearExpired'];

/** {@link MessageCache.clear} */
export const clear: MessageCache['clear'];

/** {@link MessageCache.getStats} */
export const getStats: MessageCache['getStats'];
