import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { KafkaFailure, isFailure } from '../../src/client/failure.ts';
import type { GroupSession, KafkaClient } from '../../src/client/kafka-client.ts';
import { createClient } from '../../src/client/create-client.ts';
import { resolveOptions } from '../../src/options/options.ts';
import { CuttingProxy, apiKeys } from '../cutting-proxy.ts';
import { Flow, LogLines, adminOf, library, newName, startEngine, until } from '../support.ts';

const yes = (): boolean => true;
const no = (): boolean => false;

describeWithBroker('kafka', 'connections that close in the middle of an answer', ({ brokers }) => {
  const [broker = ''] = brokers;

  async function clientThrough(proxy: CuttingProxy): Promise<KafkaClient> {
    const options = resolveOptions({ ...proxy.config(), sessionTimeoutMs: 6000 }, 'test');
    const client = await createClient(options, new LogLines(), 'kafka');
    onTestFinished(() => client.close());
    await client.connect();
    return client;
  }

  async function topicWith(count: number): Promise<string> {
    const topic = newName();
    const engine = await startEngine({ brokers: [...brokers], numPartitions: 1 });
    await Promise.all(Array.from({ length: count }, (_, n) => engine.publish({ topic, payload: n })));
    await engine.stop();
    return topic;
  }

  /** The positions at which to cut an answer: each byte of a small answer, and each byte at the beginning of a larger answer. */
  function* positions(length: number, beginning: number): Iterable<number> {
    for (let n = 0; n < Math.min(length, beginning); n++) yield n;
    for (const part of [0.25, 0.5, 0.75]) if (length > beginning) yield Math.floor(length * part);
    yield length - 1;
  }

  /** Cuts the answer at each position; after each the same question gets its answer. */
  async function cutAll(
    proxy: CuttingProxy,
    apiKey: number,
    ask: () => Promise<unknown>,
    beginning = 64,
  ): Promise<void> {
    await ask();
    for (const bytes of positions(proxy.lengths.get(apiKey)!, beginning)) {
      proxy.cut = { apiKey, bytes };
      const before = proxy.cuts;
      // It may be asked again within: where nothing was lost by it.
      const failure: unknown = await ask().then(
        () => undefined,
        (error: unknown) => error,
      );
      expect([proxy.cuts - before, failure === undefined || isFailure(failure, 'passing')]).toEqual([
        1,
        true,
      ]);
      await ask();
    }
  }

  const kinds: Readonly<Record<string, (client: KafkaClient, topic: string) => Promise<unknown>>> = {
    metadata: async (client, topic) => expect((await client.topics()).get(topic)).toHaveLength(1),
    listOffsets: async (client, topic) =>
      expect(await client.offsets(new Map([[topic, [0]]]), 'latest')).toEqual([
        { topic, partition: 0, offset: 20 },
      ]),
    describeConfigs: async (client, topic) => expect(await client.maxBatchBytes(topic)).toBeGreaterThan(0),
    fetch: async (client, topic) => {
      const leader = (await client.topics()).get(topic)![0]!;
      const position = { topic, partition: 0, offset: 0 };
      const limits = { maxBytes: 1_000_000, maxBytesPerPartition: 1_000_000 };
      const [part] = await client.fetch(leader, { positions: [position], maxWaitMs: 0, ...limits });
      expect(part!.records).toHaveLength(20);
    },
    createTopics: (client, topic) => client.createTopic(topic, 1, 1),
  };

  test.each(Object.entries(kinds))('%s', async (kind, ask) => {
    const proxy = await CuttingProxy.start(broker);
    const topic = await topicWith(20);
    const client = await clientThrough(proxy);
    await client.topics();
    await cutAll(proxy, apiKeys[kind as keyof typeof apiKeys], () => ask(client, topic));
  });

  test('produce', async () => {
    const proxy = await CuttingProxy.start(broker);
    const topic = await topicWith(1);
    const client = await clientThrough(proxy);
    await cutAll(proxy, apiKeys.produce, async () => {
      const record = { key: null, value: '1', headers: {} };
      const [refusal] = await client.send([{ topic, records: [record] }]);
      if (refusal !== undefined) throw refusal.failure;
    });
  });

  test('invalid bytes close only that connection', async () => {
    const proxy = await CuttingProxy.start(broker);
    const client = await clientThrough(proxy);
    proxy.cut = { apiKey: apiKeys.metadata, bytes: -1 };
    await expect(client.topics()).rejects.toThrow(KafkaFailure);
    expect((await client.topics()).size).toBeGreaterThan(0);
  });

  test('apiVersions', async () => {
    const proxy = await CuttingProxy.start(broker);
    // Connecting is tried again in 200 ms, so not at as many bytes.
    const connect = async (): Promise<void> => (await clientThrough(proxy)).close();
    await cutAll(proxy, apiKeys.apiVersions, connect, 10);
  });

  const steps: Readonly<Record<string, (session: GroupSession, topic: string) => Promise<unknown>>> = {
    findCoordinator: (session, topic) => session.committed(new Map([[topic, [0]]])),
    offsetFetch: (session, topic) => session.committed(new Map([[topic, [0]]])),
    joinGroup: join,
    syncGroup: join,
    heartbeat: (session) => session.heartbeat(),
    offsetCommit: (session, topic) => session.commit([{ topic, partition: 0, offset: 1, metadata: '' }]),
  };

  async function join(session: GroupSession, topic: string): Promise<void> {
    const { partitions } = await session.join(
      [topic],
      '',
      async (members) => new Map(members.map(({ id }) => [id, new Map([[topic, [0]]])])),
    );
    expect(partitions.get(topic)).toEqual([0]);
  }

  test.each(Object.entries(steps))('%s of a group', async (kind, ask) => {
    const proxy = await CuttingProxy.start(broker);
    const topic = await topicWith(1);
    const client = await clientThrough(proxy);
    let session = client.group(newName('g'));
    await join(session, topic);
    await cutAll(proxy, apiKeys[kind as keyof typeof apiKeys], async () => {
      if (kind === 'findCoordinator') {
        // A session looks for it once.
        await session.close();
        session = client.group(newName('g'));
      }
      await ask(session, topic);
    });
    await session.close();
  });

  test('a group can be joined again after the connection of a leaving member closes', async () => {
    const proxy = await CuttingProxy.start(broker);
    const topic = await topicWith(1);
    const client = await clientThrough(proxy);
    const name = newName('g');
    for (let bytes = 0; bytes < 12; bytes++) {
      const session = client.group(name);
      await join(session, topic);
      proxy.cut = { apiKey: apiKeys.leaveGroup, bytes };
      await session.leave().catch(() => {});
      expect(proxy.cut).toBeUndefined();
      await session.close();
    }
    await join(client.group(name), topic);
  });

  test('no accepted event is lost, in a group and without, whichever connection closes', async () => {
    const proxy = await CuttingProxy.start(broker);
    const [topic, group] = [newName(), newName('g')];
    const engine = await startEngine({ ...proxy.config(), numPartitions: 2 });
    const [plain, grouped] = [new Set<unknown>(), new Set<unknown>()];
    const roomy = { bufferSize: 100_000 };
    await engine.subscribe(topic, ({ payload }) => void plain.add(payload), roomy);
    await engine.subscribe(topic, ({ payload }) => void grouped.add(payload), { ...roomy, group });
    const flow = new Flow(engine, topic);
    const kindsInUse = [
      apiKeys.produce,
      apiKeys.fetch,
      apiKeys.metadata,
      apiKeys.heartbeat,
      apiKeys.offsetCommit,
    ];
    for (const [n, apiKey] of [...kindsInUse, ...kindsInUse].entries()) {
      proxy.cut = { apiKey, bytes: 3 + n };
      await until('a cut', () => proxy.cut === undefined);
      await flow.reaches(20);
      if (n % 3 === 0) proxy.reset();
    }
    await flow.end();
    await until('all of them', () => flow.accepted.every((n) => plain.has(n) && grouped.has(n)));
  });

  test('a broker that is down for long causes no warning of Node about leaks', async () => {
    const proxy = await CuttingProxy.start(broker);
    const topic = newName();
    const engine = await startEngine(proxy.config());
    const seen = new Set<unknown>();
    await engine.subscribe(topic, ({ payload }) => void seen.add(payload));
    await engine.publish({ topic, payload: 1 });
    await until('the event', () => seen.has(1));
    const warnings: string[] = [];
    const onWarning = ({ message }: Error): void => void warnings.push(message);
    process.on('warning', onWarning);
    onTestFinished(() => void process.off('warning', onWarning));
    proxy.isRefusing = true;
    proxy.reset();
    await until('many attempts to connect', async () => {
      await engine.lag?.().catch(() => {});
      return proxy.refusals > 40;
    });
    proxy.isRefusing = false;
    await engine.publish({ topic, payload: 2 });
    await until('what comes later', () => seen.has(2));
    expect(warnings).toEqual([]);
  });

  test.each([undefined, newName('g')])(
    'a subscription that begins while the broker is away begins when it is back (group: %s)',
    async (group) => {
      const proxy = await CuttingProxy.start(broker);
      const topic = newName();
      const engine = await startEngine({ ...proxy.config(), numPartitions: 1 });
      proxy.isRefusing = true;
      proxy.reset();
      const seen: unknown[] = [];
      const subscribing = engine.subscribe(topic, ({ payload }) => void seen.push(payload), { group });
      await until('attempts to connect', () => proxy.refusals >= 3);
      proxy.isRefusing = false;
      await subscribing;
      await engine.publish({ topic, payload: 1 });
      await until('the event', () => seen.length === 1);
    },
  );

  test('an event whose answer was lost is in one partition, although partitions were added before it was sent again', async () => {
    const proxy = await CuttingProxy.start(broker);
    const topic = newName();
    const engine = await startEngine({ ...proxy.config(), numPartitions: 1, idempotent: true });
    await engine.publish({ topic, payload: 'first' });
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    proxy.isRefusing = true;
    proxy.cut = { apiKey: apiKeys.produce, bytes: 0 };
    const publishing = numbers.map((n) => engine.publish({ topic, payload: n, key: `key-${n}` }));
    await until('the answer to be lost', () => proxy.cuts === 1);
    const admin = await adminOf(brokers);
    await admin.createPartitions({ topicPartitions: [{ topic, count: 8 }] });
    await until('attempts to connect', () => proxy.refusals >= 1);
    proxy.isRefusing = false;
    await Promise.all(publishing);
    await until('leaders of the new partitions', () => admin.fetchTopicOffsets(topic).then(yes, no));
    const offsets = await admin.fetchTopicOffsets(topic);
    const written = offsets.reduce((sum, { offset }) => sum + Number(offset), 0);
    expect(written).toBe(1 + numbers.length);
  });

  test('a connection that receives nothing any more is replaced, and its requests continue', async () => {
    const proxy = await CuttingProxy.start(broker);
    const [topic, group] = [newName(), newName('g')];
    const config = library === 'kafkajs' ? {} : { publishTimeoutMs: 1000 };
    const engine = await startEngine({
      ...proxy.config({ requestTimeout: 1000 }),
      ...config,
      numPartitions: 2,
    });
    const publish = (n: number): Promise<void> =>
      until('the event to be accepted', () => engine.publish({ topic, payload: n }).then(yes, no));
    const [plain, grouped] = [new Set<unknown>(), new Set<unknown>()];
    await engine.subscribe(topic, ({ payload }) => void plain.add(payload));
    await engine.subscribe(topic, ({ payload }) => void grouped.add(payload), { group });
    for (const n of [1, 2]) {
      await publish(n);
      await until('the event', () => plain.has(n) && grouped.has(n));
      proxy.freeze();
    }
    await publish(3);
    await until('the last event', () => plain.has(3) && grouped.has(3));
    await until('the engine to be up', async () => (await engine.health()).status === 'up');
    const admin = await adminOf(brokers);
    await until('a commit', async () => {
      const [at] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
      return at!.partitions.reduce((sum, one) => sum + Math.max(0, Number(one.offset)), 0) >= 3;
    });
  });
});
