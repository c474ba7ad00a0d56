import { type TypedEventBus, createEventBus, loadConfig, parseConfig } from '@polybus/core';
import type { Topics } from './topics.ts';

export type ShopBus = TypedEventBus<Topics>;

/** Creates the bus: the broker of the file and the environment, and the outbox, in which orders wait until the broker has accepted them. */
export async function openBus(): Promise<ShopBus> {
  const config = await loadConfig({ file: new URL('../polybus.yaml', import.meta.url), envPrefix: 'SHOP_' });
  const { engines, source } = parseConfig(config);
  return createEventBus<Topics>({
    engines: [
      { ...engines[0], name: 'broker' },
      { name: 'outbox', type: 'durable-memory' },
    ],
    source,
  });
}
