import { structuredContentType } from '@polybus/core/cloudevents';
import { type KafkaBroker, startKafka } from '@polybus/testbed';
import kafkajs from 'kafkajs';
import type { Admin } from 'kafkajs';
import { afterAll } from 'vitest';

/** A broker of the suite's own, which it may restart; it ends with the suite. */
export async function ownKafka(options: Parameters<typeof startKafka>[0] = {}): Promise<KafkaBroker> {
  const broker = await startKafka({
    controllable: true,
    ...options,
    // Members that die are to be noticed while a test waits.
    config: { 'group.min.session.timeout.ms': '1000', ...options.config },
  });
  afterAll(() => broker.stop());
  return broker;
}

/** Writes as a foreign producer of CloudEvents would, and removes the topics and groups of a case. */
export function producer(brokers: readonly string[]) {
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING });
  let connecting: Promise<Admin> | undefined;
  const connected = (): Promise<Admin> => {
    const admin = kafka.admin();
    return (connecting ??= admin.connect().then(() => admin));
  };
  afterAll(async () => {
    await (await connecting)?.disconnect();
  });
  return {
    produce: async (topic: string, bytes: Uint8Array): Promise<void> => {
      // A new one each time: it keeps asking for every topic that it has written to, and fails once one of them is deleted.
      const one = kafka.producer({
        allowAutoTopicCreation: false,
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      });
      await one.connect();
      const headers = { 'content-type': structuredContentType };
      // One partition, so that they keep their order.
      await one.send({ topic, messages: [{ value: Buffer.from(bytes), headers, partition: 0 }] });
      await one.disconnect();
    },
    cleanup: async ({ id }: { id: string }): Promise<void> => {
      const admin = await connected();
      const topics = (await admin.listTopics()).filter((topic) => topic.includes(id));
      if (topics.length > 0) await admin.deleteTopics({ topics });
    },
  };
}
