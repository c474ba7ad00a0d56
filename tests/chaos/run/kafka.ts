import { startKafka } from '@polybus/testbed';
import kafkajs from 'kafkajs';
import { leaseMs } from '../schedule/engines.ts';
import type { ChaosBroker } from './broker.ts';
import { proxied } from './proxied.ts';
import { Proxy } from './proxy.ts';

const listener = 'PROXIED';

export async function startKafkaForChaos(): Promise<ChaosBroker> {
  // A broker tells its clients where to connect: to the proxy, also after they have found each other.
  const proxy = await Proxy.listen();
  const address = `127.0.0.1:${proxy.port}`;
  const kafka = await startKafka({
    controllable: true,
    listeners: [{ name: listener, protocol: 'PLAINTEXT', advertised: address }],
    config: { 'group.min.session.timeout.ms': String(leaseMs) },
  });
  const [host = '', port] = kafka.listeners[listener]!.split(':');
  proxy.target = { host, port: Number(port) };
  return proxied(kafka, proxy, address, {
    async addPartitions(topics) {
      const { Kafka, logLevel } = kafkajs;
      const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      try {
        const { topics: found } = await admin.fetchTopicMetadata({ topics: [...topics] });
        await admin.createPartitions({
          topicPartitions: found.map(({ name, partitions }) => ({
            topic: name,
            count: partitions.length + 2,
          })),
        });
      } finally {
        await admin.disconnect();
      }
    },
  });
}
