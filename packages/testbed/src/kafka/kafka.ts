import { useForeignBroker } from '../broker.ts';
import { ADDRESS_VARIABLES, variable } from '../environment.ts';
import { ProviderUnavailableError } from '../errors.ts';
import { startDockerKafka } from './docker.ts';
import { startLocalKafka } from './local.ts';
import type { StartKafkaOptions } from './options.ts';
import { probeKafka } from './probe.ts';
import { startWithFirst } from '../providers.ts';
import type { KafkaBroker } from '../types.ts';

async function useKafkaAtAddress(options: StartKafkaOptions, since: number): Promise<KafkaBroker> {
  const addresses = variable(ADDRESS_VARIABLES.kafka);
  if (addresses === undefined) throw new ProviderUnavailableError(`${ADDRESS_VARIABLES.kafka} is not set`);
  if (options.config !== undefined || options.listeners !== undefined || options.scramUsers !== undefined) {
    throw new ProviderUnavailableError(
      'the broker needs settings that a broker given by address may not have',
    );
  }
  const brokers = addresses.split(',').map((address) => address.trim());
  return useForeignBroker({
    name: 'kafka',
    variable: ADDRESS_VARIABLES.kafka,
    connection: { brokers, listeners: {} },
    timeoutMs: options.timeoutMs,
    probe: async () => {
      await probeKafka(brokers, 'foreign');
      // Kafka's protocol reports which requests a broker supports, not its version.
      return 'unknown';
    },
    since,
  });
}

/**
 * Starts a Kafka broker, or uses the cluster at POLYBUS_TEST_KAFKA_BROKERS (comma-separated). Topics are not created
 * automatically. `restart` and `kill` keep topics, records and committed offsets.
 *
 * @throws BrokerUnavailableError if this machine has no provider for it
 * @throws BrokerStartError if it does not start
 */
export function startKafka(options: StartKafkaOptions = {}): Promise<KafkaBroker> {
  const since = performance.now();
  return startWithFirst(
    'kafka',
    {
      url: () => useKafkaAtAddress(options, since),
      docker: () => startDockerKafka(options, since),
      local: () => startLocalKafka(options, since),
    },
    options,
  );
}
