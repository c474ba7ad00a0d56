/** A topic whose events all wait for the same time, so that the first event of a partition is the first whose wait ends. */
export interface DelayLevel {
  readonly topic: string;
  /** How long its events wait there, in milliseconds; 0 for the topic of events that are due soon, each of which waits until its time. */
  readonly waitMs: number;
}

/** The waits of the levels, by the ends of their topics' names, in milliseconds. */
const waits: Readonly<Record<string, number>> = {
  '2h': 7_200_000,
  '15m': 900_000,
  '3m': 180_000,
  '30s': 30_000,
  '5s': 5000,
  due: 0,
};

/**
 * The time that a level leaves, in milliseconds. Events reach the topic of events that are due soon early enough to be put in order there,
 * also if it takes some time to move them.
 */
const marginMs = 1000;

/** The topics in which delayed events wait. */
export class DelayLevels {
  /** The longest wait first. */
  readonly all: readonly DelayLevel[];

  /** @param prefix - The beginning of the topics' names. */
  constructor(prefix: string) {
    this.all = Object.entries(waits).map(([name, waitMs]) => ({ topic: `${prefix}.${name}`, waitMs }));
  }

  /** Returns the level in which an event waits next: the longest that ends before the event is due. */
  of(remainingMs: number): DelayLevel {
    return this.all.find(({ waitMs }) => waitMs === 0 || waitMs + marginMs <= remainingMs)!;
  }

  /** The level for an event that is due and that the broker refuses. */
  get afterFailure(): DelayLevel {
    return this.all.find(({ waitMs }) => waitMs === 30_000)!;
  }
}
