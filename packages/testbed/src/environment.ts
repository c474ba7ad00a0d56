import { PROVIDERS, type BrokerName, type Provider } from './types.ts';

/** The environment variable with the address of each broker. */
export const ADDRESS_VARIABLES: Readonly<Record<BrokerName, string>> = {
  redis: 'POLYBUS_TEST_REDIS_URL',
  kafka: 'POLYBUS_TEST_KAFKA_BROKERS',
  kinesis: 'POLYBUS_TEST_KINESIS_ENDPOINT',
};

/** The environment variable that replaces each broker's Docker image. */
export const IMAGE_VARIABLES: Readonly<Record<BrokerName, string>> = {
  redis: 'POLYBUS_TEST_REDIS_IMAGE',
  kafka: 'POLYBUS_TEST_KAFKA_IMAGE',
  kinesis: 'POLYBUS_TEST_KINESIS_IMAGE',
};

/** The environment variable that limits and orders the providers: a comma-separated list. */
export const PROVIDERS_VARIABLE = 'POLYBUS_TEST_PROVIDERS';

/** The value of a variable; an empty variable counts as not set. */
export function variable(name: string): string | undefined {
  const value = process.env[name]?.trim();
  return value === '' ? undefined : value;
}

/** True in continuous integration (`CI=true` or `CI=1`). A missing broker then fails the run. */
export function isCI(): boolean {
  return ['true', '1'].includes(variable('CI')?.toLowerCase() ?? '');
}

/**
 * The providers to try, from POLYBUS_TEST_PROVIDERS, else all.
 *
 * @throws RangeError if the variable contains a name that is not a provider
 */
export function providersFromEnvironment(): readonly Provider[] {
  const value = variable(PROVIDERS_VARIABLE);
  if (value === undefined) return PROVIDERS;
  return value.split(',').map((part) => {
    const provider = PROVIDERS.find((known) => known === part.trim());
    if (provider === undefined) {
      throw new RangeError(
        `${PROVIDERS_VARIABLE}: unknown provider "${part.trim()}"; expected a list of ${PROVIDERS.join(', ')}`,
      );
    }
    return provider;
  });
}
