import { expect, test } from 'vitest';
import { stubBroker } from '../stub-broker.ts';
import { newName, startEngine } from '../support.ts';

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

test('a broker that does not answer holds up its own events and no others, and gets each of them once', async () => {
  const topic = newName();
  const cluster = new Cluster();
  const engine = await startEngine({ brokers: await cluster.start(topic) });
  for (const key of [healthyKey, frozenKey]) await engine.publish({ topic, payload: 0, key });
  const before = cluster.requests;
  cluster.freeze();
  const waiting: Promise<void>[] = [];
  const since = performance.now();
  for (let n = 0; n < 100; n++) {
    // Of one key, and of a hundred others of which about half go to each broker.
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

test('events of a key keep their order over a broker that does not answer for a while', async () => {
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
