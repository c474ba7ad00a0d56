import type { Engine } from '@polybus/core/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { type CheckpointStore, MemoryCheckpointStore, type StoredDocument } from '../../src/index.ts';
import { addressOf, quick } from '../read/foreign.ts';
import { LogLines, leasesOf, newStream, patient, startEngine, until } from '../support.ts';

/** A store that can be out of reach of one of its users. */
class FarStore implements CheckpointStore {
  readonly isShared = true;
  readonly #store: CheckpointStore;
  #gate: Promise<void> | undefined;
  #open = (): void => {};
  isFailing = false;

  constructor(store: CheckpointStore) {
    this.#store = store;
  }

  cut(): void {
    this.#gate = new Promise((resolve) => (this.#open = resolve));
  }

  mend(): void {
    this.#gate = undefined;
    this.#open();
  }

  async read(name: string): Promise<StoredDocument | undefined> {
    await this.#gate;
    if (this.isFailing) throw new Error('the store is out');
    return this.#store.read(name);
  }

  async replace(name: string, document: StoredDocument): Promise<boolean> {
    await this.#gate;
    if (this.isFailing) throw new Error('the store is out');
    return this.#store.replace(name, document);
  }
}

describeWithBroker('kinesis', 'leases', (kinesis) => {
  const configOf = (streamName: string, checkpointStore: CheckpointStore) => ({
    ...addressOf(kinesis),
    ...quick,
    shardCount: 4,
    streamName,
    checkpointStore,
    leaseDurationMs: 60_000,
  });

  test(
    'are distributed evenly over the members, and go to the remaining members when one leaves',
    patient,
    async () => {
      const config = configOf(newStream(), new MemoryCheckpointStore());
      const engines = [await startEngine(config), await startEngine(config), await startEngine(config)];
      /** Leases that two members had at once. They are recorded, because `until` ignores errors of its condition. */
      const shared: string[] = [];
      const counts = async (): Promise<number[]> => {
        const all = await Promise.all(engines.map((engine) => leasesOf(engine, 'g')));
        if (new Set(all.flat()).size < all.flat().length) shared.push(all.flat().join());
        return all.map(({ length }) => length).sort((a, b) => a - b);
      };
      for (const engine of engines) await engine.subscribe('a', () => {}, { group: 'g' });
      await until('4 shards over 3 members', async () => (await counts()).join() === '1,1,2');
      await engines.pop()!.stop();
      await until('4 shards over 2 members', async () => (await counts()).join() === '2,2');
      await engines.pop()!.stop();
      await until('4 shards at the last', async () => (await counts()).join() === '4');
      expect(shared).toEqual([]);
    },
  );

  test(
    'of a member that cannot renew them expire: it stops its work and never overwrites the new owner',
    patient,
    async () => {
      const shared = new MemoryCheckpointStore();
      const far = new FarStore(shared);
      const config = { ...configOf(newStream(), shared), leaseDurationMs: 5000 };
      const log = new LogLines();
      const cut = await startEngine({ ...config, checkpointStore: far }, log);
      const other = await startEngine(config);
      let open!: () => void;
      const gate = new Promise<void>((resolve) => (open = resolve));
      const [byCut, byOther]: [number[], number[]] = [[], []];
      const options = { group: 'g', concurrency: 2 };
      await cut.subscribeAsync<number>(
        'work',
        ({ payload }) => {
          byCut.push(payload);
          return gate;
        },
        options,
      );
      const publish = async (from: number, to: number): Promise<void> => {
        for (let n = from; n < to; n++) {
          await other.publish({ topic: 'work', payload: n, key: `key-${n % 10}` });
        }
      };
      await publish(0, 20);
      await until('the first events to be with the first member', () => byCut.length === 2);
      far.cut();
      await other.subscribeAsync<number>('work', ({ payload }) => void byOther.push(payload), options);
      await until('the other to hold all leases', async () => (await leasesOf(other, 'g')).length === 4);
      // Its handlers settle now, and what waited behind them must not begin.
      open();
      await publish(20, 40);
      await until('every event at the other', () => new Set(byOther).size === 40);
      expect(byCut).toHaveLength(2);
      expect([...byOther].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, n) => n));
      far.mend();
      await until(
        'the first member to have its share again',
        async () => (await leasesOf(cut, 'g')).length === 2,
      );
      await publish(40, 60);
      const again = (): number[] => [...byCut.slice(2), ...byOther];
      await until('every event', () => new Set(again()).size === 60);
      expect(again().sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, n) => n));
    },
  );

  test('survive a store that fails temporarily: events are repeated, and none is lost', patient, async () => {
    const far = new FarStore(new MemoryCheckpointStore());
    const config = configOf(newStream(), far);
    const log = new LogLines();
    const engine = await startEngine(config, log);
    const seen = new Set<number>();
    await engine.subscribe<number>('work', ({ payload }) => void seen.add(payload), { group: 'g' });
    far.isFailing = true;
    await until('the failure to be logged', () =>
      log.lines.some((line) => line.includes('the store is out')),
    );
    for (let n = 0; n < 10; n++) await engine.publish({ topic: 'work', payload: n });
    await until('the events', () => seen.size === 10);
    far.isFailing = false;
    await engine.stop();
    const next = await startEngine(config);
    const late: number[] = [];
    await next.subscribe<number>('work', ({ payload }) => void late.push(payload), { group: 'g' });
    await next.publish({ topic: 'work', payload: 10 });
    await until('the next event', () => late.includes(10));
    expect(late).toEqual([10]);
  });

  test(
    'keep the checkpoints of a pattern that is subscribed again later than another pattern',
    patient,
    async () => {
      const config = configOf(newStream(), new MemoryCheckpointStore());
      const publisher = await startEngine(config);
      const first = await startEngine(config);
      for (const topic of ['a', 'b']) await first.subscribe(topic, () => {}, { group: 'g' });
      await first.stop();
      for (let n = 0; n < 5; n++) {
        await publisher.publish({ topic: 'a', payload: n });
        await publisher.publish({ topic: 'b', payload: n });
      }
      const second = await startEngine(config);
      const [a, b]: [unknown[], unknown[]] = [[], []];
      await second.subscribe('a', ({ payload }) => void a.push(payload), { group: 'g' });
      await until('the events of the one', () => a.length === 5);
      await second.subscribe('b', ({ payload }) => void b.push(payload), { group: 'g' });
      await until('the events of the other', () => b.length === 5);
      expect([a, b]).toEqual([
        [0, 1, 2, 3, 4],
        [0, 1, 2, 3, 4],
      ]);
    },
  );

  test(
    'are shared for topics that several patterns match, and a member takes over from a member that has left',
    patient,
    async () => {
      const config = configOf(newStream(), new MemoryCheckpointStore());
      const [wide, narrow] = [await startEngine(config), await startEngine(config)];
      const [byWide, byNarrow]: [string[], string[]] = [[], []];
      const options = { group: 'g' };
      await narrow.subscribe(
        'order.paid',
        ({ topic, payload }) => void byNarrow.push(`${topic} ${payload as number}`),
        options,
      );
      await wide.subscribe(
        'order.*',
        ({ topic, payload }) => void byWide.push(`${topic} ${payload as number}`),
        options,
      );
      const expected: string[] = [];
      const publish = async (round: number): Promise<void> => {
        for (const topic of ['order.paid', 'order.placed']) {
          for (let n = 0; n < 5; n++) {
            await wide.publish({ topic, payload: round * 5 + n, key: `key-${n}` });
            expected.push(`${topic} ${round * 5 + n}`);
          }
        }
        await until('every event', () => byWide.length + byNarrow.length >= expected.length);
      };
      await publish(0);
      await narrow.stop();
      await publish(1);
      expect([...byWide, ...byNarrow].sort()).toEqual(expected.sort());
      expect(byNarrow.every((one) => one.startsWith('order.paid'))).toBe(true);
    },
  );

  test(
    'of a narrower pattern that is added later take over its events, without loss or repetition',
    patient,
    async () => {
      const config = configOf(newStream(), new MemoryCheckpointStore());
      const engine = await startEngine(config);
      const seen: number[] = [];
      const handler = ({ payload }: { payload: number }): void => void seen.push(payload);
      const options = { group: 'g', bufferSize: 10_000 };
      await engine.subscribe<number>('order.*', handler, options);
      const publishing: Promise<void>[] = [];
      const publish = (): void => {
        for (let n = 0; n < 50; n++) {
          const payload = publishing.length;
          publishing.push(engine.publish({ topic: 'order.paid', payload, key: `key-${n % 10}` }));
        }
      };
      publish();
      await until('the first events', () => seen.length > 0);
      publish();
      const narrow = await engine.subscribe<number>('order.paid', handler, options);
      publish();
      await until('all events', () => seen.length >= 150);
      await narrow.cancel();
      publish();
      await Promise.all(publishing);
      await until('all events', () => seen.length >= 200);
      expect(seen.sort((a, b) => a - b)).toEqual(publishing.map((_, n) => n));
    },
  );

  test(
    'streams of the same name in two regions have positions of their own in one store',
    patient,
    async () => {
      const config = { ...configOf(newStream(), new MemoryCheckpointStore()), leaseDurationMs: 1000 };
      const seen: string[] = [];
      const engines: Engine[] = [];
      for (const region of ['us-east-1', 'eu-west-1']) {
        const engine = await startEngine({ ...config, region });
        await engine.subscribe('work', ({ payload }) => void seen.push(`${String(payload)} in ${region}`), {
          group: 'g',
        });
        engines.push(engine);
      }
      const since = performance.now();
      await until('two leases to pass', () => performance.now() - since > 2 * config.leaseDurationMs);
      for (const engine of engines) expect((await engine.health()).error).toBeUndefined();
      for (const [n, engine] of engines.entries())
        await engine.publish({ topic: 'work', payload: `event ${n}` });
      await until('both events', () => seen.length === 2);
      expect(seen.toSorted()).toEqual(['event 0 in us-east-1', 'event 1 in eu-west-1']);
    },
  );
});
