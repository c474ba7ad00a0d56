import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import type { Vitest } from 'vitest/node';
import type { ViteUserConfig } from 'vitest/config';
import './provided.ts';
import type { BrokerName } from '../types.ts';
import { BrokerReporter } from './reporter.ts';

const NAME = 'polybus:brokers';
/** The runs that have the reporter. A module variable would not be shared, because vitest loads the module once per project. */
const KEY = Symbol.for('polybus.testbed.reported');

function reportOnce(vitest: Vitest): void {
  const holder = globalThis as { [KEY]?: WeakSet<Vitest> };
  const reported = (holder[KEY] ??= new WeakSet());
  if (reported.has(vitest)) return;
  reported.add(vitest);
  vitest.config.reporters.push(new BrokerReporter());
}

function brokerPlugin(): Plugin {
  return {
    name: NAME,
    configureVitest({ vitest }) {
      reportOnce(vitest);
    },
  };
}

/**
 * Returns the part of a vitest project's configuration that provides real brokers. Merge it into the rest.
 *
 * Import it by its relative path (`../testbed/src/vitest-config.ts`): in a configuration, vitest resolves relative imports to
 * sources and all others to built files.
 */
export function withBrokers(...names: readonly BrokerName[]): ViteUserConfig {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return {
    plugins: [brokerPlugin()],
    test: {
      globalSetup: [fileURLToPath(new URL(`./setup.${extension}`, import.meta.url))],
      provide: { 'polybus.needs': names },
    },
  };
}
