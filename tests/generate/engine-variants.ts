import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Capabilities, EngineFactory } from '@polybus/core/engine';
import { root } from '../test/docs/blocks.ts';
import { aliases } from './engine-schemas.ts';

/** An engine in the documentation: a type, with the part of its configuration that changes its capabilities. */
export interface EngineVariant {
  /** Its name in tables, in Markdown. */
  readonly label: string;
  readonly type: string;
  readonly capabilities: Capabilities;
  /** The test file that runs the conformance suite on it, from the root. */
  readonly suite: string;
}

interface Listed {
  readonly label: string;
  readonly type: string;
  readonly config: object;
  readonly suite: string;
}

/** Creates each engine, without opening it. */
const listed: readonly Listed[] = [
  { label: '`memory`', type: 'memory', config: {}, suite: 'engine-memory/test/conformance/drop.test.ts' },
  {
    label: '`durable-memory`',
    type: 'durable-memory',
    config: {},
    suite: 'engine-memory/test/conformance/durable-memory.test.ts',
  },
  {
    label: '`redis`, mode `pubsub`',
    type: 'redis',
    config: { mode: 'pubsub' },
    suite: 'engine-redis/test/pubsub.suite.test.ts',
  },
  {
    label: '`redis`, mode `streams`',
    type: 'redis',
    config: { mode: 'streams' },
    suite: 'engine-redis/test/streams.suite.test.ts',
  },
  {
    label: '`kafka`',
    type: 'kafka',
    config: { brokers: ['localhost:9092'] },
    suite: 'engine-kafka/test/structured.suite.test.ts',
  },
  {
    label: '`kinesis`, store `memory`',
    type: 'kinesis',
    config: { region: 'us-east-1', checkpointStore: { type: 'memory' } },
    suite: 'engine-kinesis/test/memory.suite.test.ts',
  },
  {
    label: '`kinesis`, shared store',
    type: 'kinesis',
    config: { region: 'us-east-1', checkpointStore: { type: 'dynamodb' } },
    suite: 'engine-kinesis/test/file.suite.test.ts',
  },
];

/** Every published engine. A published engine that is missing here, or a missing test file, is an error. */
export async function engineVariants(): Promise<EngineVariant[]> {
  const factories: Record<string, EngineFactory> = {};
  const packages = readdirSync(join(root, 'packages')).filter((name) => name.startsWith('engine-'));
  for (const name of packages.sort()) {
    const module = (await import(`@polybus/${name}`)) as { engines?: Record<string, EngineFactory> };
    Object.assign(factories, module.engines);
  }
  const covered = [...aliases.keys(), ...listed.map(({ type }) => type)];
  const missing = Object.keys(factories).find((type) => !covered.includes(type));
  if (missing !== undefined)
    throw new Error(`the engine type "${missing}" has no suite in engine-variants.ts`);
  return listed.map(({ label, type, config, suite }) => {
    const path = `packages/${suite}`;
    if (!existsSync(join(root, path))) throw new Error(`the suite of ${label}, ${path}, is not there`);
    const { capabilities } = factories[type]!(config, { name: type, path: 'config' });
    return { label, type, capabilities, suite: path };
  });
}
