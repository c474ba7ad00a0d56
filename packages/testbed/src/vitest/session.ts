import type { Broker, BrokerName } from '../types.ts';

/** The result of the start of a broker. */
export type Outcome<N extends BrokerName = BrokerName> =
  | { readonly status: 'running'; readonly broker: Broker<N> }
  | { readonly status: 'missing'; readonly name: N; readonly reason: string };

/** The state that the projects of one vitest run share. */
export interface Session {
  /** The brokers that the projects of this run need, as far as known before the first project is set up. */
  readonly needed: Set<BrokerName>;
  /** The start of each broker, in progress or done. */
  readonly outcomes: Map<BrokerName, Promise<Outcome>>;
  /** Brokers whose line of the table has been printed. */
  readonly printed: Set<BrokerName>;
  /** Number of projects that are set up and not torn down. */
  users: number;
}

const KEY = Symbol.for('polybus.testbed.session');

/**
 * Returns the session of this process. vitest loads the configuration and the global set-up once per project, so a module variable
 * would not be shared.
 */
export function sharedSession(): Session {
  const holder = globalThis as { [KEY]?: Session };
  holder[KEY] ??= { needed: new Set(), outcomes: new Map(), printed: new Set(), users: 0 };
  return holder[KEY];
}
