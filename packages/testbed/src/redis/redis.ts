import { useForeignBroker } from '../broker.ts';
import { ADDRESS_VARIABLES, variable } from '../environment.ts';
import { ProviderUnavailableError } from '../errors.ts';
import { startWithFirst } from '../providers.ts';
import { startDockerRedis } from './docker.ts';
import { startLocalRedis } from './local.ts';
import type { StartRedisOptions } from './options.ts';
import { probeRedis } from './probe.ts';
import type { RedisBroker } from '../types.ts';

async function useRedisAtUrl(options: StartRedisOptions, since: number): Promise<RedisBroker> {
  const url = variable(ADDRESS_VARIABLES.redis);
  if (url === undefined) throw new ProviderUnavailableError(`${ADDRESS_VARIABLES.redis} is not set`);
  if (options.args !== undefined || options.password !== undefined) {
    throw new ProviderUnavailableError('the broker needs settings that a broker given by URL may not have');
  }
  return useForeignBroker({
    name: 'redis',
    variable: ADDRESS_VARIABLES.redis,
    connection: { url },
    timeoutMs: options.timeoutMs,
    probe: () => probeRedis(url),
    since,
  });
}

/**
 * Starts a Redis server, or uses the one at POLYBUS_TEST_REDIS_URL. `restart` and `kill` keep all answered writes.
 *
 * @throws BrokerUnavailableError if this machine has no provider for it
 * @throws BrokerStartError if it does not start
 */
export function startRedis(options: StartRedisOptions = {}): Promise<RedisBroker> {
  const since = performance.now();
  return startWithFirst(
    'redis',
    {
      url: () => useRedisAtUrl(options, since),
      docker: () => startDockerRedis(options, since),
      local: () => startLocalRedis(options, since),
    },
    options,
  );
}
