import * as zlib from 'node:zlib';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import type { KafkaConfig } from '../../src/index.ts';
import { ownKafka } from '../read/foreign.ts';
import { adminOf, newName, spawnMember, startEngine, until } from '../support.ts';

const client = 'platformatic';
const clients = ['kafkajs', client] as const;
const hasZstd = 'zstdCompress' in zlib;
const codecs = ['gzip', 'snappy', 'lz4', ...(hasZstd ? (['zstd'] as const) : [])] as const;

// webpack and Jest report a missing module with the code of `require`.
test.each(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])(
  'an engine without the package of its client says what to install, if the import fails with %s',
  async (code) => {
    const { said } = await spawnMember('without-platformatic', code);
    expect(said).toContainEqual({
      code: 'MISSING_PACKAGE',
      message: expect.stringMatching(
        /client: 'platformatic' needs .* npm install @platformatic\/kafka@[12]$/,
      ),
    });
  },
);

describeWithBroker('kafka', 'the client platformatic', ({ brokers }) => {
  const config: KafkaConfig = { client, brokers: [...brokers] };

  test.each(codecs)('%s is compressed and decompressed as by the Java client', async (compression) => {
    const [written, read] = [newName('written'), newName('read')];
    const admin = await adminOf(brokers);
    const topicWith = (topic: string, value: string) => ({
      topic,
      numPartitions: 1,
      configEntries: [{ name: 'compression.type', value }],
    });
    // The broker decompresses what is published to one, and compresses what is read from the other.
    const topics = [topicWith(written, 'uncompressed'), topicWith(read, compression)];
    await admin.createTopics({ topics, waitForLeaders: true });
    const [compressing, plain] = [
      await startEngine({ ...config, compression }),
      await startEngine({ client: 'kafkajs', brokers: [...brokers] }),
    ];
    const seen: unknown[] = [];
    await plain.subscribe(written, ({ payload }) => void seen.push(payload));
    await compressing.subscribe(read, ({ payload }) => void seen.push(payload));
    // More than one block of snappy.
    const text = 'compressible '.repeat(10_000);
    await compressing.publish({ topic: written, payload: { text, from: written } });
    await plain.publish({ topic: read, payload: { text, from: read } });
    await until('both events', () => seen.length === 2);
    expect(seen).toContainEqual({ text, from: written });
    expect(seen).toContainEqual({ text, from: read });
  });

  test('zstd is accepted if Node.js has it, and else refused with a typed error', async () => {
    const engine = await startEngine({ ...config, compression: 'zstd' });
    const [outcome] = await Promise.allSettled([engine.publish({ topic: newName(), payload: 1 })]);
    const message = expect.stringMatching(/zstd compression needs Node.js 22.15 or later/) as string;
    expect(outcome).toMatchObject(
      hasZstd ? { status: 'fulfilled' } : { status: 'rejected', reason: { code: 'PUBLISH_FAILED', message } },
    );
  });

  test.each(clients)('members with both clients share a group, led by %s', async (leading) => {
    const [topic, group] = [newName(), newName('g')];
    const others = clients.filter((one) => one !== leading);
    const byClient = new Map<string, Set<unknown>>();
    const handled: unknown[] = [];
    const join = async (name: (typeof clients)[number]): Promise<ReturnType<typeof startEngine>> => {
      const engine = await startEngine({ client: name, brokers: [...brokers], numPartitions: 4 });
      const own = new Set<unknown>();
      byClient.set(name, own);
      const handler = ({ payload }: { payload: unknown }): void => {
        own.add(payload);
        handled.push(payload);
      };
      await engine.subscribe(topic, handler, { group });
      return engine;
    };
    // The first member leads.
    const leader = await join(leading);
    for (const other of others) await join(other);
    let published = 0;
    await until('events at both', async () => {
      await leader.publish({ topic, payload: published++, key: `key-${published}` });
      return clients.every((name) => byClient.get(name)!.size > 0);
    });
    await leader.stop();
    // The other member continues at the offsets that the leader has committed.
    const rest = await startEngine(config);
    for (let n = 0; n < 20; n++) await rest.publish({ topic, payload: published++, key: `key-${n}` });
    await until('all events', () => handled.length >= published);
    expect([...handled].sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: published }, (_, n) => n),
    );
  });
});

describeWithBroker('kafka', 'a login that ends', async () => {
  const user = { username: 'alice', password: 'wonder-land' };
  const login = `org.apache.kafka.common.security.plain.PlainLoginModule required user_${user.username}="${user.password}";`;
  const lifetimeMs = 1500;
  const broker = await ownKafka({
    listeners: [{ name: 'SECURE', protocol: 'SASL_PLAINTEXT' }],
    config: {
      'listener.name.secure.sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.secure.plain.sasl.jaas.config': login,
      'listener.name.secure.plain.connections.max.reauth.ms': String(lifetimeMs),
    },
  });

  test('is renewed, and no event is lost or repeated', async () => {
    const brokers = [broker.listeners['SECURE'] ?? ''];
    const [topic, group] = [newName(), newName('g')];
    const engine = await startEngine({ client, brokers, sasl: { mechanism: 'plain', ...user } });
    const [plain, grouped]: number[][] = [[], []];
    await engine.subscribe<number>(topic, ({ payload }) => void plain!.push(payload));
    await engine.subscribe<number>(topic, ({ payload }) => void grouped!.push(payload), { group });
    const end = performance.now() + 3 * lifetimeMs;
    const numbers: number[] = [];
    while (performance.now() < end) {
      numbers.push(numbers.length);
      await engine.publish({ topic, payload: numbers.at(-1), key: 'k' });
      await until('the event', () => plain!.length === numbers.length);
    }
    await until('all in the group', () => grouped!.length >= numbers.length);
    expect([plain, grouped]).toEqual([numbers, numbers]);
  });
});
