import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import type { KinesisConfig } from '../../src/index.ts';
import { addressOf, quick } from '../read/foreign.ts';
import { newStream, patient, startEngine, until } from '../support.ts';

interface Worker {
  readonly child: ChildProcess;
  /** The events that it began, in order. */
  readonly began: number[];
  readonly done: number[];
  /** When it began each, by the wall clock. */
  readonly beganAt: number[];
  /** Shards that it holds. */
  leases: number;
}

const hourMs = 3_600_000;

describeWithBroker('kinesis', 'workers in separate processes', (kinesis) => {
  const fixture = fileURLToPath(new URL('../fixtures/worker.ts', import.meta.url));

  async function makeFolder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'polybus-workers-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }

  async function startWorker(
    config: KinesisConfig,
    folder: string,
    { shiftMs = 0, hangs = false, takesMs = 0 } = {},
  ): Promise<Worker> {
    const what = JSON.stringify({ config, folder, shiftMs, hangs, takesMs });
    const args = ['--import', 'tsx', '--conditions=@polybus/source', fixture, what];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    });
    const worker: Worker = { child, began: [], done: [], beganAt: [], leases: 0 };
    let isReady = false;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [word, payload, at] = JSON.parse(line) as [string, number, number];
      if (word === 'ready') isReady = Math.abs(payload - Date.now() - shiftMs) < hourMs / 2;
      if (word === 'began') {
        worker.began.push(payload);
        worker.beganAt.push(at);
      }
      if (word === 'leases') worker.leases = payload;
      if (word === 'done') worker.done.push(payload);
    });
    await until('the worker to be ready', () => isReady);
    return worker;
  }

  test('hand over the events of a killed worker, in order and without loss', patient, async () => {
    const folder = await makeFolder();
    const config = {
      ...addressOf(kinesis),
      ...quick,
      shardCount: 4,
      streamName: newStream(),
      leaseDurationMs: 6000,
      checkpointIntervalMs: 200,
    };
    const publisher = await startEngine(config);
    const killed = await startWorker(config, folder, { hangs: true });
    const other = await startWorker(config, folder);
    await until('both to hold shards', () => killed.leases === 2 && other.leases === 2);
    const keys = 16;
    let next = 0;
    const publish = (): Promise<void> => {
      const n = next++;
      return publisher.publish({ topic: 'work', payload: n, key: `key-${n % keys}` });
    };
    await until('both to have begun', async () => {
      await Promise.all(Array.from({ length: keys }, publish));
      return killed.began.length > 0 && other.done.length > 0;
    });
    killed.child.kill('SIGKILL');
    await once(killed.child, 'exit');
    await Promise.all(Array.from({ length: keys }, publish));
    await until('every event to be done by the other', () => new Set(other.done).size === next);
    expect(killed.done).toEqual([]);
    const first = new Map<number, number[]>();
    for (const n of new Set(other.began)) first.set(n % keys, [...(first.get(n % keys) ?? []), n]);
    for (const numbers of first.values()) expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });

  test(
    'start no event after a suspension longer than the lease if another worker has it by then',
    patient,
    async () => {
      const folder = await makeFolder();
      const config = {
        ...addressOf(kinesis),
        ...quick,
        shardCount: 2,
        streamName: newStream(),
        leaseDurationMs: 6000,
        checkpointIntervalMs: 200,
      };
      const publisher = await startEngine(config);
      const frozen = await startWorker(config, folder, { takesMs: 100 });
      const other = await startWorker(config, folder);
      await until('both to hold a shard', () => frozen.leases === 1 && other.leases === 1);
      let next = 0;
      const publish = async (count: number): Promise<void> => {
        const publishing = Array.from({ length: count }, () => {
          const n = next++;
          return publisher.publish({ topic: 'work', payload: n, key: `key-${n % 32}` });
        });
        await Promise.all(publishing);
      };
      // More events than it can handle until then, so that it is suspended with running handlers and queued events.
      await publish(400);
      await until('it to be at work', () => frozen.began.length > 8);
      frozen.child.kill('SIGSTOP');
      await until('the other to hold both', () => other.leases === 2);
      await publish(32);
      await until('the other to get to what came last', () => {
        const done = new Set(other.done);
        return Array.from({ length: 32 }, (_, i) => next - 1 - i).every((n) => done.has(n));
      });
      const thawedAt = Date.now();
      frozen.child.kill('SIGCONT');
      await until('it to have its share again', () => frozen.leases === 1 && other.leases === 1);
      await publish(64);
      await until('every event', () => new Set([...frozen.done, ...other.done]).size === next);
      const byOther = new Set(other.began);
      const late = frozen.began.filter((_, i) => frozen.beganAt[i]! >= thawedAt);
      // The worker may have been stopped between its look at the lease and the line that the handler prints. No other event is in that step.
      expect(late.slice(1).filter((n) => byOther.has(n))).toEqual([]);
      expect(late.length).toBeGreaterThan(1);
    },
  );

  test('share the events and handle each once, with clocks two hours apart', patient, async () => {
    const folder = await makeFolder();
    // No worker dies here, and none is to be taken for dead on a machine that is busy.
    const config = {
      ...addressOf(kinesis),
      ...quick,
      shardCount: 4,
      streamName: newStream(),
      leaseDurationMs: 60_000,
      checkpointIntervalMs: 100,
    };
    const publisher = await startEngine(config);
    const early = await startWorker(config, folder, { shiftMs: -hourMs });
    const late = await startWorker(config, folder, { shiftMs: hourMs });
    let next = 0;
    await until('both to have done something', async () => {
      const publish = (): Promise<void> =>
        publisher.publish({ topic: 'work', payload: next, key: `key-${next++ % 20}` });
      await Promise.all(Array.from({ length: 20 }, publish));
      return early.done.length > 0 && late.done.length > 0;
    });
    const done = (): number[] => [...early.done, ...late.done];
    await until('all events', () => new Set(done()).size === next);
    expect(done().sort((a, b) => a - b)).toEqual(Array.from({ length: next }, (_, n) => n));
  });
});
