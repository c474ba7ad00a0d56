import type { Logger } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { attachToTest } from '@polybus/testbed/engine';
import { type KinesisConfig, kinesisEngine } from '../src/index.ts';

export { Flow, LogLines, Seen, newName as newStream, until } from '@polybus/testbed/engine';
export { storesById } from './stores/by-id.ts';

/** The timeout of a test that waits for several conditions, each for longer than the usual timeout of a test. */
export const patient = { timeout: 300_000 } as const;

/** An engine that is stopped when its test ends. */
export function makeEngine(config: KinesisConfig, logger?: Logger): Engine {
  return attachToTest(kinesisEngine(config), 'kinesis', logger);
}

export async function startEngine(config: KinesisConfig, logger?: Logger): Promise<Engine> {
  const engine = makeEngine(config, logger);
  await engine.start();
  return engine;
}

/** Returns the shards of which an engine holds leases in a group. */
export async function leasesOf(engine: Engine, group: string): Promise<readonly string[]> {
  const { leases } = (await engine.health()).details as { leases: Record<string, string[]> };
  return leases[group] ?? [];
}
