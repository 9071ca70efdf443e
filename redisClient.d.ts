/** Takes the place of a server's own `src/infrastructure/database/redisClient.js`. */
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
  createSubscriber,
  publish,
  close,
} from './index';
