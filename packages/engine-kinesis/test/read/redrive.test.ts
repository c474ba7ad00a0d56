import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEventBus } from '@polybus/core';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { FileCheckpointStore } from '../../src/stores/file-store.ts';
import { type KinesisConfig, kinesisEngine } from '../../src/index.ts';
import { addressOf, quick } from './foreign.ts';
import { LogLines, newStream, patient, until } from '../support.ts';

describeWithBroker('kinesis', 'redrive', (kinesis) => {
  async function startBus(streamName: string, checkpointStore: KinesisConfig['checkpointStore']) {
    const engine = kinesisEngine({ ...addressOf(kinesis), ...quick, streamName, checkpointStore });
    const bus = createEventBus({ engines: [{ name: 'log', engine }], logger: new LogLines() });
    onTestFinished(() => bus.stop({ timeoutMs: 1000 }).catch(() => {}));
    await bus.start();
    return bus;
  }

  test('is refused with checkpoints in memory, which another process would not know', patient, async () => {
    const bus = await startBus(newStream(), { type: 'memory' });
    await expect(bus.redrive('work')).rejects.toMatchObject({
      code: 'UNSUPPORTED_CAPABILITY',
      message: expect.stringMatching(/redrive.*durable/s),
    });
  });

  test('in a second process redrives nothing that the first process has redriven', patient, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'polybus-redrive-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const streamName = newStream();
    const first = await startBus(streamName, new FileCheckpointStore(folder));
    const handled: unknown[] = [];
    const fail = ({ payload }: { payload: unknown }): void => {
      handled.push(payload);
      if (handled.length <= 2) throw new Error('at first');
    };
    await first.subscribe('work', fail, { group: 'workers', retry: false });
    await first.publish('work', 1);
    await first.publish('work', 2);
    await until('both to fail', () => handled.length === 2);
    const options = { group: 'workers', idleMs: 3000 };
    let redriven = 0;
    await until('both to be redriven', async () => {
      redriven += (await first.redrive('work', options)).redriven;
      return redriven === 2;
    });
    await until('both to be handled again', () => handled.length === 4);
    await first.stop();
    const second = await startBus(streamName, new FileCheckpointStore(folder));
    expect((await second.redrive('work', options)).redriven).toBe(0);
    expect(handled).toEqual([1, 2, 1, 2]);
  });
});
