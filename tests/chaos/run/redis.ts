import { startRedis } from '@polybus/testbed';
import { Redis } from 'ioredis';
import type { ChaosBroker } from './broker.ts';
import { proxied } from './proxied.ts';
import { Proxy } from './proxy.ts';

export async function startRedisForChaos(): Promise<ChaosBroker> {
  const redis = await startRedis({ controllable: true });
  const proxy = await Proxy.listen();
  const { hostname, port } = new URL(redis.url);
  proxy.target = { host: hostname, port: Number(port) };
  const call = async <T>(run: (client: Redis) => Promise<T>): Promise<T> => {
    const client = new Redis(redis.url);
    try {
      return await run(client);
    } finally {
      client.disconnect();
    }
  };
  return proxied(redis, proxy, `redis://127.0.0.1:${proxy.port}`, {
    async setFull(isFull) {
      await call(async (client) => {
        await client.config('SET', 'maxmemory-policy', 'noeviction');
        await client.config('SET', 'maxmemory', isFull ? '1mb' : '0');
      });
    },
    async clean() {
      await call((client) => client.flushall());
    },
  });
}
