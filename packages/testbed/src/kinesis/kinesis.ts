import { useForeignBroker } from '../broker.ts';
import { ADDRESS_VARIABLES, variable } from '../environment.ts';
import { ProviderUnavailableError } from '../errors.ts';
import { startDockerKinesis } from './docker.ts';
import { startLocalKinesis } from './local.ts';
import type { StartKinesisOptions } from './options.ts';
import { kinesisConnection, localstackVersion, probeKinesis } from './probe.ts';
import { startWithFirst } from '../providers.ts';
import type { KinesisBroker } from '../types.ts';

async function useKinesisAtEndpoint(options: StartKinesisOptions, since: number): Promise<KinesisBroker> {
  const endpoint = variable(ADDRESS_VARIABLES.kinesis);
  if (endpoint === undefined) throw new ProviderUnavailableError(`${ADDRESS_VARIABLES.kinesis} is not set`);
  if (options.env !== undefined) {
    throw new ProviderUnavailableError(
      'the broker needs settings that a broker given by address may not have',
    );
  }
  const connection = kinesisConnection(endpoint);
  return useForeignBroker({
    name: 'kinesis',
    variable: ADDRESS_VARIABLES.kinesis,
    connection,
    timeoutMs: options.timeoutMs,
    probe: async () => {
      await probeKinesis(connection);
      return (await localstackVersion(endpoint)) ?? 'unknown';
    },
    since,
  });
}

/**
 * Starts a Kinesis emulator, or uses the one at POLYBUS_TEST_KINESIS_ENDPOINT. As a local process, `restart` keeps streams
 * and records and `kill` loses them; LocalStack in Docker loses them in both cases (`keepsData`).
 *
 * @throws BrokerUnavailableError if this machine has no provider for it
 * @throws BrokerStartError if it does not start
 */
export function startKinesis(options: StartKinesisOptions = {}): Promise<KinesisBroker> {
  const since = performance.now();
  return startWithFirst(
    'kinesis',
    {
      url: () => useKinesisAtEndpoint(options, since),
      docker: () => startDockerKinesis(options, since),
      local: () => startLocalKinesis(options, since),
    },
    options,
  );
}
