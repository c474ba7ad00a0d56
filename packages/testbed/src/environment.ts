import { PROVIDERS, type BrokerName, type Provider } from './types.ts';

/** The environment variable that gives each broker's address. */
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

/** A variable's value; an empty one counts as not set. */
export function variable(name: string): string | undefined {
  const value = process.env[name]?.trim();
  return value === '' ? undefined : value;
}

/** Whether this is a continuous-integration run (`CI=true` or `CI=1`): a missing broker then fails it. */
export function isCI(): boolean {
  return ['true', '1'].includes(variable('CI')?.toLowerCase() ?? '');
}

/**
 * The providers to try, from POLYBUS_TEST_PROVIDERS, else all.
 *
 * @throws RangeError when the variable names something that is not a provider
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
