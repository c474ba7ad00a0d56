import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Logger } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { type Fixture, attachToTest, spawnFixture } from '@polybus/testbed/engine';
import kafkajs from 'kafkajs';
import type * as Kafkajs from 'kafkajs';
import type { Admin, Kafka } from 'kafkajs';
import { onTestFinished } from 'vitest';
import { type KafkaConfig, kafkaEngine } from '../src/index.ts';
import { library, quick } from './quick.ts';

export { type Fixture, Flow, LogLines, newName, until } from '@polybus/testbed/engine';
export { library, quick };

/** An engine that is stopped when its test ends. */
export function makeEngine(config: KafkaConfig, logger?: Logger): Engine {
  return attachToTest(kafkaEngine({ ...quick, ...config }), 'kafka', logger);
}

export async function startEngine(config: KafkaConfig, logger?: Logger): Promise<Engine> {
  const engine = makeEngine(config, logger);
  await engine.start();
  return engine;
}

/** A kafkajs client without an engine. */
export function plainKafka(brokers: readonly string[]): Kafka {
  return new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING });
}

/** A second copy of kafkajs, as in a program that loads another copy than the engine. */
export function anotherKafkajs(): typeof Kafkajs {
  const require = createRequire(import.meta.url);
  // A copy of the folder, because kafkajs loads many of its files only when it needs them.
  const folder = mkdtempSync(join(tmpdir(), 'polybus-kafkajs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(dirname(require.resolve('kafkajs/package.json')), folder, { recursive: true });
  return require(folder) as typeof Kafkajs;
}

/** A client with which the tests inspect the cluster. */
export async function adminOf(brokers: readonly string[]): Promise<Admin> {
  const admin = plainKafka(brokers).admin();
  await admin.connect();
  onTestFinished(() => admin.disconnect());
  return admin;
}

/** Runs a program of the folder `fixtures` as a member of a group, in a process of its own. It has joined when this resolves. */
export function spawnMember(name: string, ...args: readonly string[]): Promise<Fixture> {
  return spawnFixture(new URL(`fixtures/${name}.ts`, import.meta.url), ...args);
}
