import type { BrokerName, Provider } from './types.ts';

/** A provider cannot start a broker on this machine. The next provider is tried. */
export class ProviderUnavailableError extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'ProviderUnavailableError';
  }
}

/** A provider that was tried, and why it failed. */
export interface FailedProvider {
  readonly provider: Provider;
  readonly reason: string;
}

/** No provider can start the broker. The message has the reason of each provider, and how to provide the broker. */
export class BrokerUnavailableError extends Error {
  /** The broker that is missing. */
  readonly broker: BrokerName;
  /** The providers that were tried, in order. */
  readonly tried: readonly FailedProvider[];

  constructor(broker: BrokerName, tried: readonly FailedProvider[], remedy: string) {
    const reasons = tried.map(({ provider, reason }) => `  - ${provider}: ${reason}`);
    super([`no ${broker} broker on this machine:`, ...reasons, `How to provide it: ${remedy}`].join('\n'));
    this.name = 'BrokerUnavailableError';
    this.broker = broker;
    this.tried = tried;
  }
}

/** A broker did not become ready after its start. The message ends with the last lines of its log. */
export class BrokerStartError extends Error {
  constructor(broker: BrokerName, reason: string, log: string, options?: ErrorOptions) {
    super(`${broker} did not start: ${reason}\n${log === '' ? '(its log is empty)' : log}`, options);
    this.name = 'BrokerStartError';
  }
}

/** A control was used on a broker that was given by URL, was stopped, or is not running. */
export class BrokerControlError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BrokerControlError';
  }
}
