/** Replaces a server's own `src/infrastructure/pubsub/redisPubSub.js`. */
export { RedisPubSub, getPubSub } from '../index';
