import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeEngine } from '@polybus/conformance';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { afterAll } from 'vitest';
import { addressOf, ownKinesis, producer } from './read/foreign.ts';
import { engineUnderTest } from './suite-engine.ts';

describeWithBroker('kinesis', 'the conformance suite, checkpoints in files', async () => {
  const broker = await ownKinesis();
  const folder = await mkdtemp(join(tmpdir(), 'polybus-kinesis-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const { put, removeStream } = producer(broker);
  describeEngine('kinesis', engineUnderTest, {
    broker,
    produce: put,
    cleanup: removeStream,
    deadlineMs: 30_000,
    config: { address: addressOf(broker), folder },
    processes: {
      module: new URL('./suite-engine.ts', import.meta.url),
      // With the default lease of the suite, which is also the engine's: the figure in docs/choosing-an-engine.md.
      takeoverWithinMs: 10_000,
      attemptsCount: 'never',
    },
  });
});
