// Compiled by `npm run lint`, never run: the declarations have to allow what users write.
import {
  cacheDelete,
  cacheDeletePattern,
  cacheGet,
  cacheGetOrSet,
  cacheSet,
  close,
  createBackplane,
  getClient,
  isRedisAvailable,
} from '../../index';
import * as redisClient from '../../redisClient';

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
  await close();

  // @ts-expect-error a key is a string
  await cacheGet(1);
  // @ts-expect-error a loader is a function
  await cacheGetOrSet('key', 1);
}
