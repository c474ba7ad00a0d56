import type { Logger } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { type Fixture, attachToTest, newName, spawnFixture } from '@polybus/testbed/engine';
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { type RedisConfig, redisEngine } from '../src/index.ts';

export { Flow, LogLines, until } from '@polybus/testbed/engine';

/** An engine that is stopped when its test ends. */
export function makeEngine(config: RedisConfig, logger?: Logger): Engine {
  return attachToTest(redisEngine(config), 'redis', logger);
}

export async function startEngine(config: RedisConfig, logger?: Logger): Promise<Engine> {
  const engine = makeEngine(config, logger);
  await engine.start();
  return engine;
}

/** A client with which the tests inspect the server. */
export function adminOf(url: string): Redis {
  const admin = new Redis(url, { connectionName: 'admin', maxRetriesPerRequest: 3 });
  admin.on('error', () => {});
  onTestFinished(() => admin.disconnect());
  return admin;
}

/** Returns a unique key prefix. */
export function newPrefix(): string {
  return `${newName()}:`;
}

/** Runs a program of the folder `fixtures` in a process of its own. */
export function spawnMember(name: string, ...args: readonly string[]): Promise<Fixture> {
  return spawnFixture(new URL(`fixtures/${name}.ts`, import.meta.url), ...args);
}
