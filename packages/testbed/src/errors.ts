import type { BrokerName, Provider } from './types.ts';

/** Why one provider could not give a broker on this machine. The next one is tried. */
export class ProviderUnavailableError extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'ProviderUnavailableError';
  }
}

/** A provider that was tried, and why it could not be used. */
export interface FailedProvider {
  readonly provider: Provider;
  readonly reason: string;
}

/** No provider could give the broker. The message says why for each, and how to provide the broker. */
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

/** A broker was started and did not become ready. The message ends with the last lines of its log. */
export class BrokerStartError extends Error {
  constructor(broker: BrokerName, reason: string, log: string, options?: ErrorOptions) {
    super(`${broker} did not start: ${reason}\n${log === '' ? '(its log is empty)' : log}`, options);
    this.name = 'BrokerStartError';
  }
}

/** A control was used on a broker that cannot obey: given by URL, stopped, or not running. */
export class BrokerControlError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BrokerControlError';
  }
}
