import { startByName } from '../../packages/testbed/src/start.ts';
import { BROKER_NAMES, type Broker, type BrokerName } from '../../packages/testbed/src/types.ts';

/** The configurations with which an engine is tried. */
export type Configs = readonly Readonly<Record<string, unknown>>[];

/** Brokers that start in the background. */
export class Brokers {
  readonly #starting = new Map<BrokerName, Promise<Broker>>();

  constructor(names: readonly BrokerName[]) {
    for (const name of names) this.#starting.set(name, startByName(name));
    // The error is thrown to the caller that asks for the broker.
    void this.#settled();
  }

  /** The configurations for an engine type. For an engine without a broker, this is one empty configuration. */
  async configsFor(type: string): Promise<Configs> {
    const starting = this.#starting.get(type as BrokerName);
    return starting === undefined ? [{}] : configsOf(await starting);
  }

  async stop(): Promise<void> {
    const started = (await this.#settled()).filter((one) => one.status === 'fulfilled');
    await Promise.all(started.map(({ value }) => value.stop()));
  }

  #settled(): Promise<PromiseSettledResult<Broker>[]> {
    return Promise.allSettled(this.#starting.values());
  }
}

/** The brokers that some packages need, by the names of their engines. */
export function brokersOf(packages: readonly string[]): BrokerName[] {
  return BROKER_NAMES.filter((name) => packages.includes(`@polybus/engine-${name}`));
}

function configsOf(broker: Broker): Configs {
  if ('url' in broker) return [{ url: broker.url }, { url: broker.url, mode: 'streams' }];
  if ('brokers' in broker) return [{ brokers: broker.brokers }];
  const { endpoint, region, credentials } = broker;
  return [{ endpoint, region, ...credentials, streamName: 'polybus-alone', pollInterval: '100ms' }];
}
