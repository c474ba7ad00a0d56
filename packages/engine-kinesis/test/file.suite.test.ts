import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeEngine } from '@polybus/conformance';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { afterAll } from 'vitest';
import { FileCheckpointStore } from '../src/stores/file-store.ts';
import { kinesisEngine } from '../src/index.ts';
import { addressOf, ownKinesis, producer, quick } from './read/foreign.ts';

describeWithBroker('kinesis', 'the conformance suite, checkpoints in files', async () => {
  const broker = await ownKinesis();
  const folder = await mkdtemp(join(tmpdir(), 'polybus-kinesis-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const { put, removeStream } = producer(broker);
  const checkpointStore = new FileCheckpointStore(folder);
  const config = { ...addressOf(broker), ...quick, checkpointStore };
  describeEngine(
    'kinesis',
    ({ id, stallLimitMs, leaseMs }) =>
      kinesisEngine({
        ...config,
        streamName: id,
        foreignTopic: `${id}.events`,
        stallLimitMs,
        leaseDurationMs: leaseMs,
      }),
    {
      broker,
      produce: put,
      cleanup: removeStream,
      deadlineMs: 30_000,
    },
  );
});
