import {
  type ConsumerLag,
  type Event,
  InvalidOptionError,
  type NewEvent,
  PolybusError,
  type RetryOptions,
  type StartPosition,
  type SubscribeOptions,
  type Subscription,
} from '@polybus/core';
import { matchesTopic } from '@polybus/core/engine';
import { type OptionNames, assertOptionNames } from '@polybus/core/engine-kit';
import { type PatternBus, assertBus } from './pattern-bus.ts';

/** Options of {@link forward}. */
export interface ForwardOptions extends Pick<SubscribeOptions, 'concurrency' | 'deadLetter' | 'signal'> {
  /** The name of the engine whose events are forwarded. It needs the capability `groups`. */
  readonly from: string;
  /** The name of the engine that gets the events. */
  readonly to: string;
  /** The consumer group on the engine `from`. Processes with the same group share the work. Default `forward.` and the name of `to`. */
  readonly group?: string | undefined;
  /** Where a new group starts: see the option `from` of `subscribe`. Default `'latest'`. */
  readonly startAt?: StartPosition | undefined;
  /**
   * How an event is tried again that the other broker did not accept. Default: until it is accepted, with pauses of up to 30 seconds,
   * except for an event that it can never accept, such as one that is too large, which becomes a dead letter.
   */
  readonly retry?: RetryOptions | false | undefined;
}

/** Counts of this process since the call of {@link forward}. */
export interface ForwardStats {
  /** Events that the other broker has accepted. */
  readonly forwarded: number;
  /** Events that were acknowledged without being forwarded, because they came from the other engine or had been here before. */
  readonly skipped: number;
}

/** A forwarding that runs. */
export interface Forwarding extends AsyncDisposable {
  /** The subscription on the engine `from`. */
  readonly subscription: Subscription;
  stats(): ForwardStats;
  /**
   * Resolves with how far the group is behind on the engine `from`; empty if its broker does not know it. Rejects if the broker cannot be
   * reached.
   */
  lag(): Promise<readonly ConsumerLag[]>;
  /** Ends the forwarding after the events that are being forwarded. */
  cancel(): Promise<void>;
}

const optionNames: OptionNames<ForwardOptions> = {
  from: true,
  to: true,
  group: true,
  startAt: true,
  concurrency: true,
  retry: true,
  deadLetter: true,
  signal: true,
};

/** The metadata field that lists the engines from which an event was forwarded. */
const pathField = 'forwardedfrom';

/** The codes of errors that another attempt cannot change. */
const permanent: readonly unknown[] = ['RECORD_TOO_LARGE', 'INVALID_EVENT', 'INVALID_TOPIC'];

const untilAccepted: RetryOptions = {
  attempts: Number.MAX_SAFE_INTEGER,
  shouldRetry: (error) => !(PolybusError.is(error) && permanent.includes(error.code)),
};

/**
 * Forwards the events of a topic or pattern from one engine of a bus to another, as a consumer group of its own. An event keeps its
 * topic, id, key, payload, metadata and `createdAt`, and events of one key keep their order. An event is acknowledged after the other
 * broker has accepted it, so each event is forwarded at least once.
 *
 * It uses the engines directly: routing rules, schemas and middleware do not apply.
 *
 * The name of the engine `from` is added to the metadata field `forwardedfrom`. An event whose field has one of the two names is not
 * forwarded, so two engines can forward to each other, and no event goes round in a circle.
 *
 * @throws {@link EngineNotFoundError}, {@link InvalidOptionError}, {@link UnknownOptionError}, {@link InvalidTopicError} or
 *   {@link UnsupportedCapabilityError} if an argument is invalid.
 * @throws {@link EventBusNotStartedError} before `start` of the bus has resolved.
 */
export async function forward(
  bus: PatternBus,
  pattern: string,
  options: ForwardOptions,
): Promise<Forwarding> {
  assertBus(bus);
  assertOptionNames('forward', options, optionNames);
  const { from, to, group = `forward.${to}`, startAt, retry = untilAccepted } = options;
  const { concurrency, deadLetter, signal: cancelSignal } = options;
  const [source, target] = [bus.router.engine(from), bus.router.engine(to)];
  if (source === target) throw new InvalidOptionError('to', to, 'another engine than `from`');
  let [forwarded, skipped] = [0, 0];

  const subscription = await source.subscribeAsync(
    pattern,
    async (event, { signal }) => {
      const path = pathOf(event);
      if (path.includes(from) || path.includes(to)) {
        skipped++;
        return;
      }
      await target.publish(copyOf(event, [...path, from]), { signal });
      forwarded++;
    },
    { group, from: startAt, retry, concurrency, deadLetter, signal: cancelSignal },
  );

  const cancel = (): Promise<void> => subscription.cancel();
  return {
    subscription,
    stats: () => ({ forwarded, skipped }),
    async lag() {
      const all = (await source.lag?.()) ?? [];
      return all.filter((one) => one.group === group && matchesTopic(pattern, one.topic));
    },
    cancel,
    [Symbol.asyncDispose]: cancel,
  };
}

function pathOf({ metadata }: Event): readonly unknown[] {
  const path = metadata[pathField];
  return Array.isArray(path) ? path : [];
}

function copyOf({ id, topic, payload, key, metadata, createdAt }: Event, path: readonly unknown[]): NewEvent {
  return { id, topic, payload, key, metadata: { ...metadata, [pathField]: path }, createdAt };
}
