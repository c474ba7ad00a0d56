import type { Disturbance } from '../ledger/entries.ts';
import { resendMs } from '../schedule/engines.ts';
import { type Cause, causeOf } from './causes.ts';
import type { Handling, History, Sent, Subscriber } from './history.ts';

/** An event that was handled again. */
export interface Repeat {
  readonly id: string;
  readonly first: Handling;
  readonly again: Handling;
  readonly cause: Cause;
}

/** An event whose first handler began after that of a later event of its key. */
export interface Reorder {
  readonly id: string;
  readonly first: Handling;
  readonly later: Handling;
}

/** Two handlers of the same key that ran at once. */
export interface Overlap {
  readonly one: Handling;
  readonly other: Handling;
  readonly cause: Cause;
}

/** What became of the events in a group, or in a subscription that gets every event. */
export interface GroupFindings {
  /** Accepted events that no handler finished, and that are in no dead letter. */
  readonly lost: readonly Sent[];
  /** Accepted events that were handled only after every member had ended and another one had started. */
  readonly stuck: readonly Sent[];
  readonly repeated: readonly Repeat[];
  readonly reordered: readonly Reorder[];
  readonly overlapping: readonly Overlap[];
}

/** Judges what a group did with the accepted events. */
export function checkGroup(history: History, group: Subscriber): GroupFindings {
  const { lost, stuck } = unhandled(history, group);
  return {
    lost,
    stuck,
    repeated: repeats(history, group),
    reordered: reorders(history, group),
    overlapping: overlaps(history, group.handlings),
  };
}

/** Accepted events that are neither handled nor given up, and those that only a last member handled. */
export function unhandled(
  { sent, lastMemberAt }: History,
  group: Subscriber,
): { lost: Sent[]; stuck: Sent[] } {
  const handledAt = new Map<string, number>();
  for (const { id, end, result } of group.handlings)
    if (result === 'ok') handledAt.set(id, Math.min(end, handledAt.get(id) ?? end));
  const accepted = [...sent.values()].filter(({ outcome }) => outcome === 'accepted');
  const isOver = ({ id }: Sent): boolean => handledAt.has(id) || group.givenUp.has(id);
  return {
    lost: accepted.filter((event) => !isOver(event)),
    stuck: accepted.filter(({ id }) => (handledAt.get(id) ?? 0) > lastMemberAt),
  };
}

function repeats({ sent, disturbances }: History, { handlings }: Subscriber): Repeat[] {
  const byEvent = groupBy(handlings, ({ id }) => id);
  return [...byEvent].flatMap(([id, all]) => {
    const first = all.filter(({ result }) => result === 'ok').sort((a, b) => a.end - b.end)[0];
    if (first === undefined) return [];
    const isRepeat = (one: Handling): boolean =>
      one !== first && (one.result === 'ok' || one.begin > first.end);
    return all.filter(isRepeat).map((again): Repeat => {
      const between = {
        from: Math.min(first.begin, again.begin),
        until: Math.max(first.begin, again.begin),
        processes: [first.process, again.process],
      };
      const event = sent.get(id);
      // Its publish may have been sent twice.
      const publish =
        event === undefined ? [] : [{ from: event.at, until: event.settledAt, processes: [event.process] }];
      const cause = causeOf(disturbances, between, ...publish);
      const isResent = event !== undefined && event.settledAt - event.at >= resendMs;
      return { id, first, again, cause: cause === 'none' && isResent ? 'resent' : cause };
    });
  });
}

function reorders(history: History, { handlings }: Subscriber): Reorder[] {
  const firsts = new Map<string, Handling>();
  for (const one of handlings) if (!firsts.has(one.id)) firsts.set(one.id, one);
  return [...groupBy([...firsts.values()], ({ key }) => key).values()].flatMap((ofKey) => {
    const found = reordersOf(ofKey, history.sent);
    return mayHaveMoved(
      found.map(({ first, later }) => [first, later]),
      history,
    )
      ? []
      : found;
  });
}

function reordersOf(ofKey: readonly Handling[], sent: History['sent']): Reorder[] {
  let highest = -1;
  return ofKey.flatMap((first, i): Reorder[] => {
    if (first.seq >= highest) {
      highest = first.seq;
      return [];
    }
    // A rejected event may arrive at any time.
    if (sent.get(first.id)?.outcome !== 'accepted') return [];
    const before = ofKey.slice(0, i).filter(({ seq }) => seq > first.seq);
    const later = before.reduce((next, one) => (one.seq < next.seq ? one : next));
    return [{ id: first.id, first, later }];
  });
}

/**
 * True if moves of a key to another partition can explain these pairs, one move for each time that partitions were added: each pair has
 * an event from before a move and an event from after it. A producer moves its keys at some time after partitions were added, and two
 * partitions can have two owners.
 */
function mayHaveMoved(
  pairs: readonly (readonly [Handling, Handling])[],
  { disturbances, sent }: History,
): boolean {
  const added = disturbances.filter(({ how }) => how === 'partitions-added').map(({ from }) => from);
  const ordered = pairs
    .map((pair) => pair.toSorted((a, b) => a.seq - b.seq) as [Handling, Handling])
    .sort(([, a], [, b]) => a.seq - b.seq);
  let moves = 0;
  // The first event after the last move.
  let moved = 0;
  for (const [before, after] of ordered) {
    if (before.seq === after.seq || !((sent.get(after.id)?.settledAt ?? 0) > Math.min(...added)))
      return false;
    if (before.seq < moved) continue;
    moves++;
    moved = after.seq;
  }
  return moves <= added.length;
}

function overlaps(history: History, handlings: readonly Handling[]): Overlap[] {
  return [...groupBy(handlings, ({ key }) => key).values()].flatMap((ofKey) => {
    const found = overlapsOf(ofKey, history.disturbances);
    return mayHaveMoved(
      found.map(({ one, other }) => [one, other]),
      history,
    )
      ? []
      : found;
  });
}

function overlapsOf(ofKey: readonly Handling[], disturbances: readonly Disturbance[]): Overlap[] {
  const running: Handling[] = [];
  return ofKey.flatMap((other) => {
    const overlapped = running.filter(({ end }) => end > other.begin);
    running.splice(0, running.length, ...overlapped, other);
    return overlapped.map((one): Overlap => {
      const span = {
        from: one.begin,
        until: Math.max(other.begin, Math.min(one.end, other.end)),
        processes: [one.process, other.process],
      };
      return { one, other, cause: causeOf(disturbances, span) };
    });
  });
}

/** Leaves out those without a group. */
function groupBy<T>(all: readonly T[], nameOf: (one: T) => string | undefined): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const name = nameOf(one);
    if (name === undefined) continue;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [one]);
    else group.push(one);
  }
  return groups;
}
