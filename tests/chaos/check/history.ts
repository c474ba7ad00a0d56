import type { Disturbance, Entry, Ledger } from '../ledger/entries.ts';

/** An event that a producer published. */
export interface Sent {
  readonly id: string;
  readonly key: string | undefined;
  readonly seq: number;
  readonly process: string;
  /** When `publish` was called. */
  readonly at: number;
  /** When `publish` settled; infinite if the producer was killed before. */
  readonly settledAt: number;
  readonly outcome: 'accepted' | 'rejected' | 'unknown';
  /** Of the error with which it was rejected. */
  readonly code: string | undefined;
}

/** One call of a handler. */
export interface Handling {
  readonly id: string;
  readonly key: string | undefined;
  readonly seq: number;
  readonly process: string;
  readonly attempt: number;
  readonly begin: number;
  /** The end of the handler, or of its process if that came first. */
  readonly end: number;
  readonly result: 'ok' | 'failed' | 'open';
}

/** A subscription in one process, or the members of a group in all processes. */
export interface Subscriber {
  readonly name: string;
  readonly from: number;
  /** When it was closed or killed; infinite if it never was. */
  readonly until: number;
  /** In the order of their beginning. */
  readonly handlings: readonly Handling[];
  /** Events that the engine reported as given up: dead letters and dropped events. */
  readonly givenUp: ReadonlySet<string>;
  readonly gaps: readonly { readonly since: number; readonly until: number }[];
}

/** What the ledgers of a schedule say, joined. */
export interface History {
  readonly sent: ReadonlyMap<string, Sent>;
  /** For each process that ended in order: the dropped events that the engine reported one by one, and its own count. */
  readonly dropped: readonly {
    readonly process: string;
    readonly reported: number;
    readonly counted: number;
  }[];
  /** Of each process, by the name of the process and of the subscription: `c1.0/observer`. */
  readonly subscribers: readonly Subscriber[];
  readonly disturbances: readonly Disturbance[];
  /** When a last member started because events were left; infinite if that was not necessary. */
  readonly lastMemberAt: number;
}

/** Joins the ledgers of all processes and of the runner. */
export function historyOf(ledgers: readonly Ledger[]): History {
  const disturbances = ledgers.flatMap((ledger) => [...disturbancesOf(ledger)]);
  const entries = ledgers.flatMap((ledger) => ledger.entries);
  return {
    sent: new Map(ledgers.flatMap((ledger) => sentBy(ledger)).map((sent) => [sent.id, sent])),
    subscribers: ledgers.flatMap((ledger) => subscribersOf(ledger, disturbances)),
    disturbances,
    dropped: ledgers.flatMap((ledger) => droppedBy(ledger)),
    lastMemberAt: entries.find((entry) => entry.is === 'last-member')?.at ?? Number.POSITIVE_INFINITY,
  };
}

/** All subscriptions of this name as one: the members of a group. */
export function groupOf(history: History, sub: string): Subscriber {
  const members = history.subscribers.filter(({ name }) => name.endsWith(`/${sub}`));
  return {
    name: sub,
    from: Math.min(...members.map(({ from }) => from)),
    until: Math.max(...members.map(({ until }) => until)),
    handlings: members.flatMap(({ handlings }) => handlings).sort((a, b) => a.begin - b.begin),
    givenUp: new Set(members.flatMap(({ givenUp }) => [...givenUp])),
    gaps: members.flatMap(({ gaps }) => gaps),
  };
}

function* disturbancesOf({ process, entries }: Ledger): Iterable<Disturbance> {
  let stalledAt: number | undefined;
  for (const entry of entries) {
    if (entry.is === 'disturbed') yield entry;
    if (entry.is === 'stall') stalledAt = entry.at;
    if (entry.is === 'stall-end' && stalledAt !== undefined) {
      yield { is: 'disturbed', how: 'frozen', process, from: stalledAt, until: entry.at };
      stalledAt = undefined;
    }
  }
  // Killed while it was stalled.
  if (stalledAt !== undefined)
    yield { is: 'disturbed', how: 'frozen', process, from: stalledAt, until: Number.POSITIVE_INFINITY };
}

function droppedBy({ process, entries }: Ledger): History['dropped'] {
  const reported = entries.filter((one) => one.is === 'given-up' && one.outcome === 'dropped').length;
  return entries.flatMap((one) =>
    one.is === 'stopped' ? [{ process, reported, counted: one.dropped }] : [],
  );
}

function sentBy({ process, entries }: Ledger): Sent[] {
  const settled = new Map<string, Extract<Entry, { is: 'accepted' | 'rejected' }>>();
  for (const entry of entries)
    if (entry.is === 'accepted' || entry.is === 'rejected') settled.set(entry.id, entry);
  return entries.flatMap((entry) => {
    if (entry.is !== 'publish') return [];
    const { id, key, seq, at } = entry;
    const end = settled.get(id);
    const settledAt = end?.at ?? Number.POSITIVE_INFINITY;
    const code = end?.is === 'rejected' ? end.code : undefined;
    return [{ id, key, seq, process, at, settledAt, outcome: end?.is ?? 'unknown', code }];
  });
}

function subscribersOf({ process, entries }: Ledger, disturbances: readonly Disturbance[]): Subscriber[] {
  const killedAt = disturbances.find(({ how, process: name }) => how === 'killed' && name === process)?.from;
  const diedAt = killedAt ?? entries.find(({ is }) => is === 'stopped')?.at ?? Number.POSITIVE_INFINITY;
  const ends = new Map<number, { at: number; ok: boolean }>();
  for (const entry of entries) if (entry.is === 'end') ends.set(entry.n, entry);
  const names = new Set(entries.flatMap((entry) => ('sub' in entry ? [entry.sub] : [])));
  const gaps = entries.flatMap((entry) => (entry.is === 'gap' ? [entry] : []));
  return [...names].map((sub): Subscriber => {
    const own = entries.filter((entry) => 'sub' in entry && entry.sub === sub);
    return {
      name: `${process}/${sub}`,
      from: own.find(({ is }) => is === 'subscribed')?.at ?? Number.POSITIVE_INFINITY,
      until: Math.min(own.find(({ is }) => is === 'closing')?.at ?? diedAt, diedAt),
      gaps,
      givenUp: new Set(own.flatMap((entry) => (entry.is === 'given-up' ? [entry.id] : []))),
      handlings: own.flatMap((entry): Handling[] => {
        if (entry.is !== 'begin') return [];
        const { id, key, seq, attempt, at, n } = entry;
        const end = ends.get(n);
        const result = end === undefined ? 'open' : end.ok ? 'ok' : 'failed';
        return [{ id, key, seq, process, attempt, begin: at, end: end?.at ?? diedAt, result }];
      }),
    };
  });
}
