import { readFileSync } from 'node:fs';
import { type RedisBroker, freePort, startRedis } from '@polybus/testbed';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { redisEngine } from '../../src/index.ts';
import { CuttingProxy } from '../cutting-proxy.ts';
import { Flow, adminOf, makeEngine, newPrefix, startEngine, until } from '../support.ts';

const nodes: RedisBroker[] = [];

describeWithBroker('redis', 'a cluster', () => {
  beforeAll(async () => {
    // Without its own port, the bus of a node would be 10 000 above the node's, which may be beyond the last.
    const ports = [await freePort(), await freePort(), await freePort()];
    const args = ports.map((port) => ['--cluster-enabled', 'yes', '--cluster-port', String(port)]);
    nodes.push(...(await Promise.all(args.map((one) => startRedis({ args: one, providers: ['local'] })))));
    const clients = nodes.map(({ url }) => new Redis(url));
    const last = 16_383;
    for (const [i, client] of clients.entries()) {
      const [from, to] = [Math.floor((i * (last + 1)) / 3), Math.floor(((i + 1) * (last + 1)) / 3) - 1];
      await client.cluster('ADDSLOTSRANGE', from, to);
      const { hostname, port } = new URL(nodes[0]?.url ?? '');
      if (i > 0) await client.call('CLUSTER', 'MEET', hostname, port, String(ports[0]));
    }
    await completeCluster(clients);
    // A node passes messages to the nodes that it has a link to. A node that is still connecting would miss them.
    await until('the nodes to be linked', async () => {
      const views = await Promise.all(clients.map((client) => client.call('CLUSTER', 'NODES')));
      return views.every((view) => {
        const linked = String(view).trim().split('\n');
        return (
          linked.length === 3 &&
          linked.every((node) => / connected( |$)/.test(node) && !node.includes('handshake'))
        );
      });
    });
    for (const client of clients) client.disconnect();
  });
  afterAll(() => Promise.all(nodes.map((node) => node.stop())));

  async function completeCluster(admins: readonly Redis[]): Promise<void> {
    await until('the cluster to be complete', async () => {
      const states = await Promise.all(admins.map((admin) => admin.cluster('INFO')));
      return states.every(
        (info) => info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3'),
      );
    });
  }

  /**
   * @param nodeUrls - Addresses at which the client reaches the nodes.
   * @param user - The credentials. Default: the user `default`.
   */
  function clusterClient(
    maxRedirections = 16,
    nodeUrls = nodes.map(({ url }) => url),
    user: { username?: string; password?: string } = {},
  ): Cluster {
    const hosts = nodeUrls.map((url) => ({ host: '127.0.0.1', port: Number(new URL(url).port) }));
    const natMap = Object.fromEntries(
      nodes.map(({ url }, i) => [`127.0.0.1:${new URL(url).port}`, hosts[i]!]),
    );
    const client = new Cluster(hosts, { maxRedirections, natMap, redisOptions: user });
    client.on('error', () => {});
    onTestFinished(() => client.disconnect());
    return client;
  }

  test.each(['pubsub', 'streams'] as const)(
    'a cluster of three nodes carries events, mode %s',
    async (mode) => {
      const consumer = await startEngine({ client: clusterClient(), mode });
      const publisher = await startEngine({ client: clusterClient(), mode });
      const seen: unknown[] = [];
      await consumer.subscribe<number>('user.*', ({ payload }) => void seen.push(payload));
      if (mode === 'streams') {
        await consumer.subscribe<number>('user.*', ({ payload }) => void seen.push(payload + 100), {
          group: 'g',
        });
      }
      const numbers = Array.from({ length: 50 }, (_, n) => n);
      await Promise.all(
        numbers.map((n) => publisher.publish({ topic: `user.t${n % 5}`, payload: n, key: 'k' })),
      );
      const expected = mode === 'streams' ? 100 : 50;
      await until('the events', () => seen.length === expected);
      expect(new Set(seen).size).toBe(expected);
    },
  );

  test.each(['pubsub', 'streams'] as const)(
    'an ACL user with the permissions of the README can use a cluster, mode %s',
    async (mode) => {
      const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
      const granted = (sentence: RegExp): string[] => sentence.exec(readme)?.[1]?.split(' ') ?? [];
      const forCluster = granted(/On a cluster, it also\s+needs\s+`([^`]+)`/);
      expect(forCluster.length).toBeGreaterThan(1);
      const permissions = [...granted(/the user needs\s+`([^`]+)`/), ...forCluster];
      const keyPrefix = `{${newPrefix()}}:`;
      const user = { username: newPrefix().slice(0, -1), password: 'secret' };
      const admins = nodes.map(({ url }) => adminOf(url));
      const keys = [`~${keyPrefix}*`, `&${keyPrefix}*`];
      for (const admin of admins)
        await admin.call('ACL', 'SETUSER', user.username, 'on', '>secret', ...keys, ...permissions);
      onTestFinished(async () => {
        await Promise.allSettled(admins.map((admin) => admin.call('ACL', 'DELUSER', user.username)));
      });
      const client = clusterClient(undefined, undefined, user);
      const engine = await startEngine({ client, mode, keyPrefix });
      const seen: unknown[] = [];
      await engine.subscribe('*', ({ payload }) => void seen.push(payload));
      for (let n = 0; n < 20; n++) await engine.publish({ topic: 'a.b', payload: n, key: 'k' });
      await until('the events', () => seen.length === 20);
      expect((await engine.health()).status).toBe('up');
      for (const admin of admins) {
        const log = (await admin.call('ACL', 'LOG')) as unknown[][];
        expect(log.filter((entry) => entry.includes(user.username))).toEqual([]);
      }
    },
  );

  test('pubsub keeps the order of a topic, whichever nodes carry it', async () => {
    const engine = await startEngine({ client: clusterClient(), keyPrefix: newPrefix() });
    const seen = new Map<string, unknown[]>();
    await engine.subscribe('order.*', ({ topic, payload }) => {
      seen.set(topic, [...(seen.get(topic) ?? []), payload]);
    });
    const topics = Array.from({ length: 6 }, (_, n) => `order.t${n}`);
    const numbers = Array.from({ length: 200 }, (_, n) => n);
    for (const payload of numbers)
      await Promise.all(topics.map((topic) => engine.publish({ topic, payload })));
    await until('the events', () => topics.every((topic) => seen.get(topic)?.length === 200));
    for (const topic of topics) expect(seen.get(topic)).toEqual(numbers);
  });

  test.each(['given', 'made'])(
    'a subscriber that loses its connection reports the gap, client %s',
    async (how) => {
      const keyPrefix = newPrefix();
      const config = how === 'given' ? { client: clusterClient() } : { createClient: clusterClient };
      const engine = await startEngine({ ...config, keyPrefix });
      const seen = new Set<unknown>();
      await engine.subscribe('gap.*', ({ payload }) => void seen.add(payload));
      const admins = nodes.map(({ url }) => adminOf(url));
      const listening = async (): Promise<number[]> =>
        Promise.all(admins.map(async (admin) => Number(await admin.pubsub('NUMPAT'))));
      expect((await listening()).reduce((sum, n) => sum + n)).toBe(1);
      for (const admin of admins) await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await until('the gap to be told', async () => {
        const { details, status } = await engine.health();
        return status === 'up' && (details as { gaps?: number }).gaps === 1;
      });
      await engine.publish({ topic: 'gap.a', payload: 'after' });
      await until('the event', () => seen.has('after'));
    },
  );

  test('streams lose no accepted event when the connections to a node are lost', async () => {
    const config = { createClient: clusterClient, mode: 'streams', keyPrefix: `{${newPrefix()}}` } as const;
    const engine = await startEngine(config);
    const [grouped, plain] = [new Set<unknown>(), new Set<unknown>()];
    const roomy = { bufferSize: 100_000 };
    await engine.subscribeAsync('lost', ({ payload }) => void grouped.add(payload), { ...roomy, group: 'g' });
    await engine.subscribe('lost', ({ payload }) => void plain.add(payload), roomy);
    const flow = new Flow(engine, 'lost');
    const admins = nodes.map(({ url }) => adminOf(url));
    for (let round = 0; round < 10; round++) {
      await flow.reaches(50);
      for (const admin of admins) await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    }
    await flow.reaches(50);
    await flow.end();
    await until('every accepted event in the group', () => flow.accepted.every((n) => grouped.has(n)));
    await until('every accepted event without a group', () => flow.accepted.every((n) => plain.has(n)));
  });

  test(
    'streams lose no accepted event when the process of a node is killed and restarted',
    { timeout: 120_000 },
    async () => {
      const config = {
        createClient: clusterClient,
        mode: 'streams',
        keyPrefix: `{${newPrefix()}}`,
        commandTimeoutMs: 1000,
      } as const;
      const engine = await startEngine(config);
      const [grouped, plain] = [new Set<unknown>(), new Set<unknown>()];
      const roomy = { bufferSize: 1_000_000 };
      await engine.subscribeAsync('lost', ({ payload }) => void grouped.add(payload), {
        ...roomy,
        group: 'g',
      });
      await engine.subscribe('lost', ({ payload }) => void plain.add(payload), roomy);
      const flow = new Flow(engine, 'lost');
      for (const node of nodes) {
        await flow.reaches(50);
        await node.kill();
        await node.restart();
      }
      await flow.reaches(50);
      await flow.end();
      // What comes next is to find the three as they were.
      await completeCluster(nodes.map(({ url }) => adminOf(url)));
      // One of the three had the stream.
      expect(flow.refused.length).toBeGreaterThan(0);
      await until('every accepted event in the group', () => flow.accepted.every((n) => grouped.has(n)));
      await until('every accepted event without a group', () => flow.accepted.every((n) => plain.has(n)));
    },
  );

  test.each([undefined, 'g'])(
    'a subscription receives events that take longer to arrive than commandTimeoutMs, group %s',
    async (group) => {
      const proxies = await Promise.all(nodes.map(({ url }) => CuttingProxy.start(url)));
      const urls = proxies.map(({ url }) => url);
      const config = { mode: 'streams', keyPrefix: `{${newPrefix()}}`, blockMs: 100 } as const;
      const publisher = await startEngine({ ...config, createClient: clusterClient });
      const subscriber = await startEngine({
        ...config,
        createClient: () => clusterClient(16, urls),
        commandTimeoutMs: 500,
      });
      const seen: number[] = [];
      await subscriber.subscribe<{ n: number }>('large', ({ payload }) => void seen.push(payload.n), {
        group,
      });
      for (const proxy of proxies) proxy.bytesPerSecond = 500_000;
      const text = 'x'.repeat(10_000);
      const numbers = Array.from({ length: 200 }, (_, n) => n);
      await Promise.all(numbers.map((n) => publisher.publish({ topic: 'large', payload: { n, text } })));
      await until('every event', () => seen.length === numbers.length);
      expect(seen).toEqual(numbers);
    },
  );

  test('createClient can create cluster clients: streams then need a prefix with a hash tag, or start rejects', async () => {
    const createClient = clusterClient;
    const refused = makeEngine({ createClient, mode: 'streams', keyPrefix: 'app:' });
    const problem = {
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(/redisEngine\.keyPrefix.*hash tag/),
    };
    await expect(refused.start()).rejects.toMatchObject(problem);
    const engine = await startEngine({ createClient, mode: 'streams' });
    const seen = new Set<unknown>();
    const topics = ['made.a', 'made.b', 'made.c'];
    await engine.subscribe('made.*', ({ topic }) => void seen.add(topic), { group: 'made' });
    for (const topic of topics) await engine.publish({ topic, payload: 1 });
    await until('the events', () => seen.size === 3);
  });

  test('a script that a node does not know is sent in full, even if the client allows no redirection', async () => {
    for (const { url } of nodes) await adminOf(url).script('FLUSH');
    // As after a restart, for which a client tries again and again until the node is there, and has no scripts.
    const createClient = () => clusterClient(0);
    const engine = await startEngine({ createClient, mode: 'streams', keyPrefix: `{${newPrefix()}}` });
    const seen: unknown[] = [];
    await engine.subscribe('known', ({ payload }) => void seen.push(payload), { group: 'g' });
    await engine.publish({ topic: 'known', payload: 1 });
    await until('the event', () => seen.length === 1);
  });

  test('streams on a cluster need a prefix with a hash tag', () => {
    const client = clusterClient();
    // Redis looks at the first brace only, and ignores an empty tag.
    for (const keyPrefix of ['app:', '{}app:', '{}{app}:', '}app{:'])
      expect(() => redisEngine({ client, mode: 'streams', keyPrefix })).toThrow(/hash tag/);
  });
});
