import type { BrokerInfo, BrokerName, Connections } from '../types.ts';

/** A broker as tests see it: its connection details and information, without controls. */
export type SharedBroker<N extends BrokerName = BrokerName> = Connections[N] & BrokerInfo;

/** What the global set-up provides to tests about a broker that their project needs. */
export type Provided<N extends BrokerName> =
  | { readonly status: 'running'; readonly broker: SharedBroker<N> }
  | { readonly status: 'missing'; readonly reason: string };

declare module 'vitest' {
  interface ProvidedContext {
    /** The brokers that a project needs; set by `withBrokers`. */
    'polybus.needs': readonly BrokerName[];
    'polybus.redis': Provided<'redis'>;
    'polybus.kafka': Provided<'kafka'>;
    'polybus.kinesis': Provided<'kinesis'>;
  }
}
