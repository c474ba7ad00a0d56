import { Kafka, logLevel } from 'kafkajs';

/** How long one attempt may take, in milliseconds. */
const ATTEMPT_MS = 3_000;

/**
 * Requests the brokers and the controller of a Kafka cluster and, from a broker of the testbed, also the coordinator of a group: a new
 * broker creates the topic behind groups at the first request, and until then the requests of the first consumer fail.
 *
 * @throws Error if the cluster cannot be reached or does not have them yet
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
