import { type RedisBroker, startRedis } from '@polybus/testbed';
import { Redis } from 'ioredis';
import { afterAll } from 'vitest';

/** A server of the suite's own, which it may restart; it ends with the suite. */
export async function ownRedis(options: Parameters<typeof startRedis>[0] = {}): Promise<RedisBroker> {
  const broker = await startRedis({ controllable: true, ...options });
  afterAll(() => broker.stop());
  return broker;
}

/** Writes as a producer would that knows nothing of polybus. Topics of the suite begin with the prefix that its engines have. */
export function producer(url: string) {
  const client = new Redis(url, { lazyConnect: true });
  client.on('error', () => {});
  afterAll(() => client.disconnect());
  const prefixOf = (topic: string): string => `${topic.split('.')[0]}:`;
  return {
    publish: async (topic: string, bytes: Uint8Array): Promise<void> => {
      await client.publish(prefixOf(topic) + topic, Buffer.from(bytes));
    },
    add: async (topic: string, bytes: Uint8Array): Promise<void> => {
      await client.xadd(prefixOf(topic) + topic, '*', 'event', Buffer.from(bytes));
    },
  };
}
