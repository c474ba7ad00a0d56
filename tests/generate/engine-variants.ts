import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Capabilities, EngineFactory } from '@polybus/core';
import { root } from '../test/docs-blocks.ts';

/** An engine as the documentation speaks of it: a type, and what of its configuration changes what it can do. */
export interface EngineVariant {
  /** How tables call it, in Markdown. */
  readonly label: string;
  readonly type: string;
  readonly capabilities: Capabilities;
}

/** What stands for a store that processes share. Making an engine asks it nothing. */
const sharedStore = {
  isShared: true,
  read: () => Promise.resolve(undefined),
  replace: () => Promise.resolve(true),
};

/** How to make each one; making opens nothing. */
const configurations: readonly (readonly [label: string, type: string, config: object])[] = [
  ['`memory`', 'memory', {}],
  ['`durable-memory`', 'durable-memory', {}],
  ['`redis`, mode `pubsub`', 'redis', { mode: 'pubsub' }],
  ['`redis`, mode `streams`', 'redis', { mode: 'streams' }],
  ['`kafka`', 'kafka', { brokers: ['localhost:9092'] }],
  ['`kinesis`', 'kinesis', { region: 'us-east-1' }],
  ['`kinesis`, shared store', 'kinesis', { region: 'us-east-1', checkpointStore: sharedStore }],
];

/** Every engine that is published here. A type without a configuration above is shown as it comes. */
export async function engineVariants(): Promise<EngineVariant[]> {
  const factories: Record<string, EngineFactory> = {};
  const packages = readdirSync(join(root, 'packages')).filter((name) => name.startsWith('engine-'));
  for (const name of packages.sort()) {
    const module = (await import(`@polybus/${name}`)) as { engines?: Record<string, EngineFactory> };
    Object.assign(factories, module.engines);
  }
  const listed = configurations.filter(([, type]) => type in factories);
  const others = Object.keys(factories).filter((type) => !configurations.some(([, known]) => known === type));
  const all = [...listed, ...others.map((type) => [`\`${type}\``, type, {}] as const)];
  return all.map(([label, type, config]) => {
    const { capabilities } = factories[type]!(config, { name: type, path: 'config' });
    return { label, type, capabilities };
  });
}
