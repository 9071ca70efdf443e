/** Replaces a server's own `src/infrastructure/cache/sessionCache.js`. */
import { SessionCache } from '../index';

/** {@link SessionCache.getSession} */
export const getSession: SessionCache['getSession'];

/** {@link SessionCache.setSession} */
export const setSession: SessionCache['setSession'];

/** {@link SessionCache.deleteSession} */
export const deleteSession: SessionCache['deleteSession'];

/** {@link SessionCache.invalidateUserSessions} */
export const invalidateUserSessions: SessionCache['invalidateUserSessions'];
