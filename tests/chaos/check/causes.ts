import type { Disturbance, DisturbanceKind } from '../ledger/entries.ts';
import { leaseMs } from '../schedule/engines.ts';

/**
 * Why an event was handled twice, or a key by two handlers. `resent`: the answer to its publish came so late that the engine had sent
 * it again. `none`: nothing happened that would explain it.
 */
export type Cause = 'killed' | 'frozen' | 'broker' | 'network' | 'resent' | 'none';

/** In this order: the first that applies is the cause. A freeze comes first, because it alone may cause two handlers of a key at once. */
const causes: readonly DisturbanceKind[] = ['frozen', 'killed', 'broker', 'network'];

/**
 * After a broker was away, members sign on again and continue from what they had confirmed before. That takes at most so long, in
 * milliseconds.
 */
const aftermathMs = leaseMs * 2;

/** A stretch of time in some processes. */
export interface Span {
  readonly from: number;
  readonly until: number;
  readonly processes: readonly string[];
}

/** The cause of what happened in a span: the first disturbance of its processes, or of the broker, that overlaps it. */
export function causeOf(disturbances: readonly Disturbance[], ...spans: readonly Span[]): Cause {
  const found = causes.find((how) =>
    disturbances.some(
      (one) => one.how === how && spans.some((span) => concerns(one, span) && overlaps(one, span)),
    ),
  );
  return (found as Cause | undefined) ?? 'none';
}

function concerns({ process }: Disturbance, { processes }: Span): boolean {
  return process === undefined || processes.includes(process);
}

function overlaps({ from, until, process }: Disturbance, span: Span): boolean {
  const end = process === undefined ? until + aftermathMs : until;
  return from <= span.until && end >= span.from;
}
