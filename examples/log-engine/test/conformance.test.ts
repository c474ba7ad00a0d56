import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeEngine } from '@polybus/conformance';
import { afterAll } from 'vitest';
import { LogBroker } from '../src/index.ts';
import { engineUnderTest } from './suite-engine.ts';

const folder = mkdtempSync(join(tmpdir(), 'log-engine-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Each case has a broker of its own, in a folder with its id. */
const setUp = (isUp: boolean): void => {
  for (const id of readdirSync(folder)) new LogBroker(join(folder, id)).setUp(isUp);
};

describeEngine('log', engineUnderTest, {
  broker: {
    restart: async () => {
      setUp(false);
      await new Promise((resolve) => setImmediate(resolve));
      setUp(true);
    },
    pause: async () => setUp(false),
    resume: async () => setUp(true),
  },
  produce: async (topic, bytes) =>
    new LogBroker(join(folder, topic.split('.')[0]!)).append(topic, undefined, bytes),
  cleanup: ({ id }) => rmSync(join(folder, id), { recursive: true, force: true }),
  config: { folder },
  processes: {
    module: new URL('./suite-engine.ts', import.meta.url),
    leaseMs: 3000,
    takeoverWithinMs: 10_000,
    attemptsCount: 'after-kill',
  },
});
