import { type EventBusConfig, createEventBus, deadLetterOf } from '@polybus/core';
import { newName } from '@polybus/testbed/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { describe, expect, onTestFinished, test } from 'vitest';

const title = 'an engine without options for failures';
/** The defaults of every engine that stores events, and of the engine that stands in for them in a process. */
const asOnABroker = { attempts: [1, 2, 3, 4, 5], deadLetters: [5] };
const once = { attempts: [1], deadLetters: [] };

/** What becomes of an event whose handler always fails: its attempts, and the attempts that its dead letter names. */
async function outcomeOn(config: EventBusConfig): Promise<typeof asOnABroker> {
  const logger = { warn: () => {}, error: () => {} };
  const bus = createEventBus({ ...config, logger });
  onTestFinished(() => bus.stop({ timeoutMs: 5000 }).catch(() => {}));
  await bus.start();
  // Brokers are shared by several runs.
  const topic = newName('order');
  const deadLetters: number[] = [];
  await bus.subscribe(`_dead.${topic}`, (event) => void deadLetters.push(deadLetterOf(event)!.attempts));
  const attempts: number[] = [];
  await bus.subscribeAsync(topic, (_, { attempt }) => {
    attempts.push(attempt);
    throw new Error('always');
  });
  await bus.publish(topic, 1);
  const settled = { failed: 1, pending: 0 };
  await expect.poll(() => bus.stats(), { timeout: 60_000 }).toMatchObject(settled);
  await expect.poll(() => deadLetters.length, { timeout: 60_000 }).toBe(bus.stats().deadLettered);
  return { attempts, deadLetters };
}

describe('an engine without options for failures', () => {
  test('makes five attempts and writes a dead letter on durable-memory, as on a broker', async () => {
    expect(await outcomeOn({ engine: 'durable-memory' })).toEqual(asOnABroker);
  });

  test('makes one attempt and writes no dead letter on memory', async () => {
    expect(await outcomeOn({ engine: 'memory' })).toEqual(once);
  });
});

describeWithBroker('redis', title, ({ url }) => {
  test('makes five attempts and writes a dead letter on Redis Streams', async () => {
    const config = { url, keyPrefix: `${newName('attempts')}:` };
    expect(await outcomeOn({ engine: 'redis-streams', config })).toEqual(asOnABroker);
  });

  test('makes one attempt and writes no dead letter on Redis Pub/Sub', async () => {
    const config = { url, keyPrefix: `${newName('attempts')}:` };
    expect(await outcomeOn({ engine: 'redis', config })).toEqual(once);
  });
});

describeWithBroker('kafka', title, ({ brokers }) => {
  test('makes five attempts and writes a dead letter on Kafka', async () => {
    const config = { brokers: [...brokers], numPartitions: 1 };
    expect(await outcomeOn({ engine: 'kafka', config })).toEqual(asOnABroker);
  });
});

describeWithBroker('kinesis', title, ({ endpoint, region, credentials }) => {
  test('makes five attempts and writes a dead letter on Kinesis', async () => {
    const config = { endpoint, region, ...credentials, streamName: newName('attempts') };
    expect(await outcomeOn({ engine: 'kinesis', config })).toEqual(asOnABroker);
  });
});
