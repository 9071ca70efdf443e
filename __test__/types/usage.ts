// Compiled by `npm run lint`, never run: the declarations have to allow what users write.
import {
  cacheDelete,
  cacheDeletePattern,
  cacheGet,
  cacheGetOrSet,
  cacheSet,
  checkRateLimit,
  close,
  createBackplane,
  createSubscriber,
  getClient,
  getMetrics,
  getPubSub,
  health,
  isRedisAvailable,
  prometheusMetrics,
  publish,
  RedisPubSub,
  resetRateLimit,
  socketIoAdapter,
} from '../../index';
import * as redisClient from '../../modules/redisClient';
import * as redisPubSub from '../../modules/redisPubSub';

interface User {
  name: string;
}

export async function usage(): Promise<void> {
  const user: User | null = await cacheGet<User>('user:1');
  const kept: boolean = await cacheSet('user:1', user ?? { name: 'Ada' }, 0.5);
  const deleted: boolean = await cacheDelete('user:1');
  const removed: number = await cacheDeletePattern('user:*');
  const loaded: User = await cacheGetOrSet('user:1', async () => ({ name: 'Ada' }), { staleSeconds: 60 });
  const backplane = createBackplane({ url: 'redis://localhost', tls: { servername: 'redis' }, logger: console });
  const same: User | null = await backplane.cacheGet<User>(loaded.name);
  const ready: boolean = isRedisAvailable() && kept && deleted && removed > 0 && same !== null;
  const client = getClient().on('ready', () => undefined).on('error', (error) => error.code);
  await client.call('SET', 'key', Buffer.from('value'), 'PX', 100);
  await redisClient.cacheGet(String(ready));
  const { allowed, retryAfterMs, source } = await checkRateLimit('login', 5, 60, { algorithm: 'token-bucket', cost: 2 });
  if (!allowed && source === 'redis' && retryAfterMs > 1000) await resetRateLimit('login');
  await pubSub(backplane.getPubSub());
  await close();

  // @ts-expect-error a key is a string
  await cacheGet(1);
  // @ts-expect-error a loader is a function
  await cacheGetOrSet('key', 1);
}

async function pubSub(own: RedisPubSub): Promise<void> {
  const reached: number = await publish('users', { name: 'Ada' });
  const inEffect: boolean = await own.subscribe<User>('users', ({ name }, channel) => `${channel} ${name} ${reached}`);
  for await (const { data, channel } of getPubSub().messages<User>('users', { signal: AbortSignal.timeout(1) })) {
    if (inEffect && data.name === channel) break;
  }
  own.on('gap', ({ since, until, reason, dropped }) => `${since} ${until} ${reason} ${dropped}`);
  const subscriber = createSubscriber();
  subscriber.on('message', (channel, message) => channel + message);
  subscriber.on('pmessageBuffer', (pattern, channel, message) => [pattern.length, channel.length, message.length]);
  await subscriber.subscribe('a', 'b');
  await subscriber.psubscribe('a*', (message) => message.toUpperCase());
  await subscriber.sSubscribe(['a'], (message) => message.readUInt8(0), true);
  await getClient().duplicate().publish('a', Buffer.from([1]));
  const { connection, functions, redis } = getMetrics();
  const p99: number | undefined = functions.cacheGet?.latencyMs?.p99;
  const { status } = await health();
  prometheusMetrics().concat(connection.state, status, String(redis?.usedMemory ?? p99));
  socketIoAdapter({ sharded: true, requestsTimeout: 1000 });
  await redisPubSub.getPubSub().close();

  // @ts-expect-error a message is a string or bytes
  await subscriber.publish('a', { name: 'Ada' });
}
