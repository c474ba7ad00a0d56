import { Kafka, logLevel } from 'kafkajs';

/** How long one attempt may take, in milliseconds. */
const ATTEMPT_MS = 3_000;

/**
 * Asks a Kafka cluster for its brokers and its controller, and one of ours for a group's coordinator too: a new broker
 * makes the topic behind it when first asked, and until that is done the first consumer's requests fail.
 *
 * @throws Error when it cannot be reached or has none of them yet
 */
export async function probeKafka(brokers: readonly string[], whose: 'ours' | 'foreign'): Promise<void> {
  const kafka = new Kafka({
    clientId: 'polybus-testbed',
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    connectionTimeout: ATTEMPT_MS,
    requestTimeout: ATTEMPT_MS,
    retry: { retries: 0 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    if (cluster.brokers.length === 0) throw new Error('it has no broker yet');
    if (cluster.controller === null) throw new Error('it has no controller yet');
    if (whose === 'ours') await admin.fetchOffsets({ groupId: 'polybus-testbed-probe', topics: [] });
  } finally {
    await admin.disconnect();
  }
}
