import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { MemoryCheckpointStore, type StoredDocument } from '../../src/index.ts';
import { parseLeaseTable } from '../../src/group/lease-table.ts';
import { FaultProxy } from '../fault-proxy.ts';
import { addressOf, quick } from '../read/foreign.ts';
import { LogLines, leasesOf, newStream, patient, startEngine, until } from '../support.ts';

/** A store that shows the tokens of the leases for the pattern `work`. */
class WatchedStore extends MemoryCheckpointStore {
  tokens: readonly number[] = [];

  override replace(name: string, document: StoredDocument): Promise<boolean> {
    const leases = Object.values(parseLeaseTable(document.text).leases['work'] ?? {});
    this.tokens = leases.map(({ token }) => token);
    return super.replace(name, document);
  }
}

describeWithBroker('kinesis', 'a member that Kinesis does not answer', (kinesis) => {
  const configOf = () => ({
    ...addressOf(kinesis),
    ...quick,
    shardCount: 4,
    streamName: newStream(),
    checkpointStore: new MemoryCheckpointStore(),
    leaseDurationMs: 1000,
  });

  test('leaves its shards to the other members, and gets its share back', patient, async () => {
    const config = configOf();
    const proxy = await FaultProxy.to(kinesis.endpoint);
    const log = new LogLines();
    const cut = await startEngine({ ...config, endpoint: proxy.endpoint }, log);
    const other = await startEngine(config);
    const seen = new Set<number>();
    for (const engine of [cut, other])
      await engine.subscribeAsync<number>('work', ({ payload }) => void seen.add(payload), { group: 'g' });
    const leases = (count: number) => async () =>
      (await leasesOf(cut, 'g')).length === count && (await leasesOf(other, 'g')).length === 4 - count;
    await until('the members to share the shards', leases(2));
    proxy.rule = () => 'cut';
    for (let n = 0; n < 40; n++) await other.publish({ topic: 'work', payload: n, key: `key-${n}` });
    await until('every event', () => seen.size === 40);
    await until('the other member to have all shards', leases(0));
    expect(log.warnings.filter((line) => line.includes('leaves the shards'))).toHaveLength(1);
    proxy.rule = () => undefined;
    await until('the members to share the shards again', leases(2));
    for (let n = 40; n < 80; n++) await other.publish({ topic: 'work', payload: n, key: `key-${n}` });
    await until('every later event', () => seen.size === 80);
  });

  test('takes no shard back while it may list shards and not read them', patient, async () => {
    const checkpointStore = new WatchedStore();
    const config = { ...configOf(), checkpointStore };
    const proxy = await FaultProxy.to(kinesis.endpoint);
    const denied = await startEngine({ ...config, endpoint: proxy.endpoint });
    const other = await startEngine(config);
    for (const engine of [denied, other]) await engine.subscribe('work', () => {}, { group: 'g' });
    const leases = (count: number) => async () =>
      (await leasesOf(denied, 'g')).length === count && (await leasesOf(other, 'g')).length === 4 - count;
    await until('the members to share the shards', leases(2));
    proxy.rule = ({ operation }) =>
      operation === 'GetRecords' ? { status: 400, type: 'AccessDeniedException' } : undefined;
    await until('the other member to have all shards', leases(0));
    const { tokens } = checkpointStore;
    const before = proxy.counts.get('ListShards')!;
    await until('several checks', () => proxy.counts.get('ListShards')! > before + 10);
    // Each new owner has a new token.
    expect(checkpointStore.tokens).toEqual(tokens);
    expect(await denied.health()).toMatchObject({
      status: 'degraded',
      error: expect.stringContaining('AccessDeniedException'),
    });
    proxy.rule = () => undefined;
    await until('the members to share the shards again', leases(2));
    expect((await denied.health()).status).toBe('up');
  });

  test(
    'keeps its shards if no other member lives, and reads them when Kinesis answers again',
    patient,
    async () => {
      const config = configOf();
      const proxy = await FaultProxy.to(kinesis.endpoint);
      const cut = await startEngine({ ...config, endpoint: proxy.endpoint });
      const seen: number[] = [];
      await cut.subscribe<number>('work', ({ payload }) => void seen.push(payload), { group: 'g' });
      const publisher = await startEngine(config);
      proxy.rule = () => 'cut';
      const since = performance.now();
      for (let n = 0; n < 10; n++) await publisher.publish({ topic: 'work', payload: n, key: `key-${n}` });
      await until('its reads to fail for long', () => performance.now() - since > 5 * config.leaseDurationMs);
      expect(await leasesOf(cut, 'g')).toHaveLength(4);
      proxy.rule = () => undefined;
      await until('every event', () => seen.length === 10);
    },
  );
});
