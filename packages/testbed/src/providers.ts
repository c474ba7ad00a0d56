import { ADDRESS_VARIABLES, providersFromEnvironment } from './environment.ts';
import { BrokerUnavailableError, ProviderUnavailableError, type FailedProvider } from './errors.ts';
import type { Broker, BrokerName, Provider, StartOptions } from './types.ts';

/** How each provider starts a broker. Each throws `ProviderUnavailableError` if this machine does not have the provider. */
export type Starters<N extends BrokerName> = Readonly<Record<Provider, () => Promise<Broker<N>>>>;

const LOCAL_REMEDY: Readonly<Record<BrokerName, string>> = {
  redis: 'install redis-server',
  kafka: 'install Java 17 or later and Maven',
  kinesis: 'install the development dependencies (npm ci)',
};

/** Returns how to provide the broker on a machine without any provider. */
export function remedy(name: BrokerName): string {
  return `set ${ADDRESS_VARIABLES[name]}, or start Docker, or ${LOCAL_REMEDY[name]}.`;
}

/**
 * Starts a broker with the first provider that this machine has.
 *
 * @throws BrokerUnavailableError if it has none. If a provider fails to start the broker, it throws the error of that provider.
 */
export async function startWithFirst<N extends BrokerName>(
  name: N,
  starters: Starters<N>,
  options: StartOptions,
): Promise<Broker<N>> {
  const providers = (options.providers ?? providersFromEnvironment()).filter(
    (provider) => !(options.controllable === true && provider === 'url'),
  );
  const tried: FailedProvider[] = [];
  for (const provider of providers) {
    try {
      return await starters[provider]();
    } catch (error) {
      if (!(error instanceof ProviderUnavailableError)) throw error;
      tried.push({ provider, reason: error.message });
    }
  }
  throw new BrokerUnavailableError(name, tried, remedy(name));
}
