/** What a process of a schedule writes about itself. `at` is the time by `now()`; short names, because a ledger has many lines. */
export type Entry = { readonly at: number } & (
  | { readonly is: 'process'; readonly role: Role }
  | { readonly is: 'publish'; readonly id: string; readonly key?: string; readonly seq: number }
  | { readonly is: 'accepted'; readonly id: string }
  | { readonly is: 'rejected'; readonly id: string; readonly code: string; readonly why: string }
  /** The subscription receives events from now on. */
  | { readonly is: 'subscribed'; readonly sub: string }
  /** The subscription is being ended. */
  | { readonly is: 'closing'; readonly sub: string }
  /** A handler starts. `n` numbers the handlers of a process. */
  | {
      readonly is: 'begin';
      readonly sub: string;
      readonly n: number;
      readonly id: string;
      readonly key?: string;
      readonly seq: number;
      readonly attempt: number;
    }
  | { readonly is: 'end'; readonly n: number; readonly ok: boolean }
  /** The engine reports that it gave up an event: a dead letter, or a dropped event. */
  | { readonly is: 'given-up'; readonly sub: string; readonly id: string; readonly outcome: string }
  /** The engine reports a gap, from `since` to `until` by `now()`. */
  | { readonly is: 'gap'; readonly since: number; readonly until: number }
  /** The event loop is blocked until the entry `stall-end`. */
  | { readonly is: 'stall' | 'stall-end' }
  | { readonly is: 'start-failed'; readonly code: string }
  /** `dropped`: the engine's own count of dropped events. */
  | { readonly is: 'stopped'; readonly dropped: number; readonly error?: string }
  /** Of the runner: every member has ended although events were left, and a last member starts. */
  | { readonly is: 'last-member' }
  | Disturbance
);

export type Role = 'producer' | 'consumer' | 'observer' | 'all';

/** What was done to a process or to the broker; the runner writes it when it is over. */
export interface Disturbance {
  readonly is: 'disturbed';
  readonly how: DisturbanceKind;
  /** The process; undefined for the broker and the network, which all processes use. */
  readonly process?: string;
  readonly from: number;
  readonly until: number;
}

export type DisturbanceKind =
  | 'killed'
  /** Its threads did not run: SIGSTOP, or a stalled event loop. */
  | 'frozen'
  /** Ended in an orderly way. */
  | 'ended'
  /** The broker was stopped, killed or paused. */
  | 'broker'
  /** Connections were reset, stalled or refused. */
  | 'network'
  /** The broker refused writes. */
  | 'full'
  | 'partitions-added'
  | 'resharded';

/** Everything that one process wrote. */
export interface Ledger {
  /** Unique in a schedule. A process that replaces another has a name of its own. */
  readonly process: string;
  readonly entries: readonly Entry[];
}
