import type { Role } from '../ledger/entries.ts';
import type { EngineName } from '../schedule/engines.ts';

/** What the runner passes to a process, as JSON. */
export interface Settings {
  readonly engine: EngineName;
  readonly role: Role;
  /** The name of the process, which is unique in a schedule. */
  readonly name: string;
  /** The folder of the ledgers. */
  readonly folder: string;
  /** `redis://host:port`, `host:port` of Kafka, or `http://host:port`. Not used by engines without a broker. */
  readonly address: string;
  /** Unique for a run, and the beginning of all names on the broker. */
  readonly prefix: string;
  readonly topics: readonly string[];
  /** True if the subscriptions are to one pattern instead of each topic. */
  readonly byPattern: boolean;
  /** Events per second of a producer. */
  readonly rate: number;
  readonly seed: number;
}

/** What the runner asks of a process, besides signals. */
export type Command =
  | { readonly do: 'handlers'; readonly mood: Mood; readonly forMs: number }
  | { readonly do: 'stall'; readonly forMs: number }
  | { readonly do: 'clock'; readonly byMs: number }
  | { readonly do: 'leave'; readonly forMs: number }
  | { readonly do: 'quiet' };

/** How handlers behave. */
export type Mood = 'normal' | 'throw' | 'hang' | 'slow';
