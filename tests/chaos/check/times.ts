import type { History, Subscriber } from './history.ts';

/**
 * For each member that was killed: the time until every event that it was handling was begun by another member, in milliseconds.
 * Members that were killed while they handled no event are left out.
 */
export function takeoverTimes({ disturbances }: History, { handlings }: Subscriber): number[] {
  return disturbances
    .filter(({ how, process }) => how === 'killed' && process !== undefined)
    .flatMap(({ process, from }) => {
      const orphans = handlings.filter((one) => one.process === process && one.result === 'open');
      const begun = orphans.map(
        ({ id }) => handlings.find((one) => one.id === id && one.begin > from)?.begin,
      );
      if (orphans.length === 0 || begun.includes(undefined)) return [];
      return [Math.max(...(begun as number[])) - from];
    });
}

/**
 * For each time that the broker was away: the time from its return until an event was handled that was published after it. A return is
 * left out if the broker or the network was disturbed again before that.
 */
export function returnTimes({ disturbances, sent }: History, { handlings }: Subscriber): number[] {
  return disturbances
    .filter(({ how }) => how === 'broker')
    .flatMap(({ until }) => {
      const first = handlings.find(({ id, begin }) => begin > until && (sent.get(id)?.at ?? 0) > until);
      if (first === undefined) return [];
      const isInterrupted = disturbances.some(
        ({ how, from }) => (how === 'broker' || how === 'network') && from > until && from < first.begin,
      );
      return isInterrupted ? [] : [first.begin - until];
    });
}
