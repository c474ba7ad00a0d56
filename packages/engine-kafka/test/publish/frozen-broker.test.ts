import { expect, test } from 'vitest';
import { withTimeout } from '../../src/with-timeout.ts';
import { apiKeys, stubBroker } from '../stub-broker.ts';
import { newName, startEngine, until } from '../support.ts';

// By murmur2 these keys go to the partitions 0 and 1 of two.
const [healthyKey, frozenKey] = ['21', 'a-little-bit-longer-string'] as const;

/** Two brokers. The second one leads partition 1 and does not answer while it is frozen. */
class Cluster {
  /** Requests to the second broker. */
  requests = 0;
  thaw: () => void = () => {};
  #frozen: Promise<void> | undefined;

  async start(topic: string): Promise<string[]> {
    const ports = new Map<number, number>();
    const answers = {
      topics: () => new Map([[topic, [1, 2]]]),
      cluster: () => ports,
      produce: async (_: string, partition: number) => {
        if (partition === 1) {
          this.requests++;
          await this.#frozen;
        }
        return 0;
      },
    };
    const [first, second] = [await stubBroker(answers), await stubBroker(answers)];
    ports.set(1, first.port).set(2, second.port);
    return first.brokers;
  }

  freeze(): void {
    this.#frozen = new Promise((resolve) => {
      this.thaw = () => {
        this.#frozen = undefined;
        resolve();
      };
    });
  }
}

test('a broker that does not answer delays only its own events, and gets each of them once', async () => {
  const topic = newName();
  const cluster = new Cluster();
  const engine = await startEngine({ brokers: await cluster.start(topic) });
  for (const key of [healthyKey, frozenKey]) await engine.publish({ topic, payload: 0, key });
  const before = cluster.requests;
  cluster.freeze();
  const waiting: Promise<void>[] = [];
  const since = performance.now();
  for (let n = 0; n < 100; n++) {
    // One key, and a hundred other keys of which about half go to each broker.
    waiting.push(engine.publish({ topic, payload: n, key: frozenKey }));
    waiting.push(engine.publish({ topic, payload: n, key: `key-${n}` }));
    await engine.publish({ topic, payload: n, key: healthyKey });
  }
  expect(performance.now() - since).toBeLessThan(4000);
  expect(cluster.requests).toBe(before + 1);
  cluster.thaw();
  await Promise.all(waiting);
  expect((await engine.health()).status).toBe('up');
});

test('events of a key keep their order over a broker that temporarily does not answer', async () => {
  const topic = newName();
  const cluster = new Cluster();
  const engine = await startEngine({ brokers: await cluster.start(topic) });
  for (const key of [healthyKey, frozenKey]) await engine.publish({ topic, payload: 0, key });
  const accepted: number[] = [];
  const numbers = Array.from({ length: 40 }, (_, n) => n);
  const publishing: Promise<void>[] = [];
  for (const n of numbers) {
    if (n % 20 === 0) cluster.freeze();
    publishing.push(engine.publish({ topic, payload: n, key: frozenKey }).then(() => void accepted.push(n)));
    // Accepted by the other broker, so that each event of the key is in a turn of its own.
    await engine.publish({ topic, payload: n, key: healthyKey });
    if (n % 20 === 15) cluster.thaw();
  }
  await Promise.all(publishing);
  expect(accepted).toEqual(numbers);
});

/** Less than a broker may take for an answer. */
const soonMs = 15_000;
/** NOT_LEADER_FOR_PARTITION */
const notLeader = 6;

/** Two brokers, which answer nothing while they are frozen. */
async function brokersOf(topic: string, leaders: number[], produce: (partition: number) => number) {
  const ports = new Map<number, number>();
  const frozen = new Set<number>();
  const answers = {
    topics: () => new Map([[topic, leaders]]),
    cluster: () => ports,
    isFrozen: (port: number) => [...frozen].some((id) => ports.get(id) === port),
    produce: (_: string, partition: number) => produce(partition),
  };
  const [first, second] = [await stubBroker(answers), await stubBroker(answers)];
  ports.set(1, first.port).set(2, second.port);
  return { config: { brokers: first.brokers, publishTimeoutMs: 60_000 }, ports, second, frozen };
}

test('events of a partition that another broker leads by now are sent there, while the previous leader does not answer', async () => {
  const [topic, leaders] = [newName(), [1, 2]];
  const { config, second, frozen } = await brokersOf(topic, leaders, () => 0);
  const engine = await startEngine(config);
  for (const key of [healthyKey, frozenKey]) await engine.publish({ topic, payload: 0, key });
  frozen.add(2);
  const before = second.asked.get(apiKeys.produce)!;
  void engine.publish({ topic, payload: 1, key: frozenKey }).catch(() => {});
  await until('the request without an answer', () => second.asked.get(apiKeys.produce)! > before);
  leaders[1] = 1;
  const others = Array.from({ length: 10 }, (_, n) => engine.publish({ topic, payload: n, key: `key-${n}` }));
  await withTimeout(Promise.all(others), soonMs);
});

test('a broker that does not answer when rejected events are sent again delays no event of other brokers', async () => {
  const topic = newName();
  let [refusals, isRefusing] = [0, false];
  const { config, frozen } = await brokersOf(topic, [1, 2], () => {
    if (!isRefusing) return 0;
    if (++refusals === 2) {
      isRefusing = false;
      frozen.add(2);
    }
    return notLeader;
  });
  const engine = await startEngine(config);
  for (const key of [healthyKey, frozenKey]) await engine.publish({ topic, payload: 0, key });
  isRefusing = true;
  void engine.publish({ topic, payload: 1, key: frozenKey }).catch(() => {});
  await withTimeout(engine.publish({ topic, payload: 1, key: healthyKey }), soonMs);
  expect(refusals).toBe(2);
});

test.each([false, true])(
  'events that were sent to a broker that does not answer are sent to another broker, once the cluster continues without it; idempotent: %s',
  async (idempotent) => {
    const [topic, leaders] = [newName(), [1, 2]];
    const { config, ports, second, frozen } = await brokersOf(topic, leaders, () => 0);
    const engine = await startEngine({ ...config, idempotent });
    for (const key of [healthyKey, frozenKey]) await engine.publish({ topic, payload: 0, key });
    // So that this connection waits for an answer, too, when the broker is missing.
    await engine.subscribe(topic, () => {});
    frozen.add(2);
    const before = second.asked.get(apiKeys.produce)!;
    const late = engine.publish({ topic, payload: 1, key: frozenKey });
    await until('the request without an answer', () => second.asked.get(apiKeys.produce)! > before);
    leaders[1] = 1;
    ports.delete(2);
    await withTimeout(late, soonMs);
    expect((await engine.health()).status).toBe('up');
  },
);
