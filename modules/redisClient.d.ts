/** Replaces a server's own `src/infrastructure/database/redisClient.js`. */
export {
  getClient,
  isRedisAvailable,
  acquireLock,
  releaseLock,
  checkRateLimit,
  cacheSet,
  cacheGet,
  cacheDelete,
  cacheDeletePattern,
  setPresence,
  removePresence,
  isUserOnline,
  getOnlineUsersInRoom,
  createSubscriber,
  publish,
  close,
} from '../index';
