import { type EngineName, durableEngines } from '../schedule/engines.ts';
import type { Cause } from './causes.ts';
import { unaccounted } from './check-every.ts';
import { checkGroup, unhandled } from './check-group.ts';
import { type Handling, type History, type Sent, type Subscriber, groupOf } from './history.ts';
import { returnTimes, takeoverTimes } from './times.ts';

/** Numbers by cause; a cause that did not occur is left out. */
export type ByCause = Partial<Record<Cause, number>>;

/** What became of the events of a schedule. */
export interface Judgement {
  readonly published: number;
  readonly accepted: number;
  readonly rejected: number;
  /** Of the rejected events, how many by the code of the error. */
  readonly rejectedWith: Readonly<Partial<Record<string, number>>>;
  /** Calls of handlers, over all subscriptions. */
  readonly handlers: number;
  readonly lost: number;
  readonly stuck: number;
  readonly repeated: ByCause;
  readonly reordered: number;
  readonly overlapping: ByCause;
  /** Accepted events that a subscription without a group did not get. */
  readonly unseen: number;
  readonly unaccounted: number;
  /** Events that the engine reported as dropped or as dead letters, over all subscriptions. */
  readonly givenUp: number;
  readonly takeoverMs: readonly number[];
  readonly returnMs: readonly number[];
  /** What was promised and did not hold, with the first event of each kind. Empty if every promise held. */
  readonly broken: readonly string[];
}

/** Judges a schedule by what its engine promises. */
export function judge(engine: EngineName, history: History): Judgement {
  const isDurable = durableEngines.includes(engine);
  const group = groupOf(history, 'group');
  const observer = groupOf(history, 'observer');
  const found = checkGroup(history, group);
  const { lost, stuck } = isDurable ? found : { lost: [], stuck: [] };
  const unseen = isDurable ? unhandled(history, observer).lost : [];
  const others = isDurable ? [] : history.subscribers;
  const gone = others.flatMap((one) =>
    unaccounted(history, one).map((event) => ({ ...event, by: one.name })),
  );
  const reordered = isDurable
    ? [...found.reordered, ...checkGroup(history, observer).reordered]
    : others.flatMap((one) => checkGroup(history, one).reordered);
  const repeated = isDurable ? found.repeated : others.flatMap((one) => checkGroup(history, one).repeated);
  const overlapping = isDurable
    ? found.overlapping
    : others.flatMap((one) => checkGroup(history, one).overlapping);
  const broken = [
    complaint('lost', lost, eventText),
    complaint('stuck', stuck, eventText),
    complaint('not seen by the observer', unseen, eventText),
    complaint('unaccounted', gone, (event) => `${eventText(event)} by ${event.by}`),
    complaint(
      'processes whose count of dropped events is not the number that was reported',
      history.dropped.filter(({ reported, counted }) => reported !== counted),
      ({ process, reported, counted }) => `${process}: ${reported} reported, ${counted} counted`,
    ),
    complaint('reordered', reordered, ({ first, later }) => `${text(first)} after ${text(later)}`),
    complaint(
      'repeated without a cause',
      repeated.filter(({ cause }) => cause === 'none'),
      ({ first, again }) => `${text(first)} and ${text(again)}`,
    ),
    complaint(
      'two handlers of a key at once, none of them frozen',
      overlapping.filter(({ cause }) => cause !== 'frozen'),
      ({ one, other, cause }) => `${text(one)} and ${text(other)} (${cause})`,
    ),
  ].filter((one) => one !== undefined);
  const sent = [...history.sent.values()];
  return {
    published: sent.length,
    accepted: sent.filter(({ outcome }) => outcome === 'accepted').length,
    rejected: sent.filter(({ outcome }) => outcome === 'rejected').length,
    rejectedWith: countOf(sent.flatMap(({ code }) => code ?? [])),
    handlers: sum(history.subscribers.map(({ handlings }) => handlings.length)),
    lost: lost.length,
    stuck: stuck.length,
    repeated: byCause(repeated),
    reordered: reordered.length,
    overlapping: byCause(overlapping),
    unseen: unseen.length,
    unaccounted: gone.length,
    givenUp: sum(history.subscribers.map(({ givenUp }) => givenUp.size)),
    takeoverMs: takeoverTimes(history, group).map(Math.round),
    returnMs: returnTimes(history, isDurable ? group : everyOne(history)).map(Math.round),
    broken,
  };
}

/** All subscriptions as one. */
function everyOne(history: History): Subscriber {
  const subscribers = history.subscribers.map((one) => ({ ...one, name: '/all' }));
  return groupOf({ ...history, subscribers }, 'all');
}

function complaint<T>(what: string, all: readonly T[], show: (one: T) => string): string | undefined {
  return all.length === 0 ? undefined : `${all.length} ${what}, first ${show(all[0]!)}`;
}

function eventText({ id, key, at }: Sent): string {
  return `${id} (key ${key ?? 'none'}, published at ${at.toFixed(0)})`;
}

function text({ id, process, begin, end, result, attempt }: Handling): string {
  return `${id} by ${process} from ${begin.toFixed(0)} to ${end.toFixed(0)} (${result}, attempt ${attempt})`;
}

function byCause(all: readonly { readonly cause: Cause }[]): ByCause {
  return countOf(all.map(({ cause }) => cause));
}

function countOf<T extends string>(names: readonly T[]): Partial<Record<T, number>> {
  const counts: Partial<Record<T, number>> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
