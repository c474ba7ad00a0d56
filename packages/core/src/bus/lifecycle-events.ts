import type {
  AttemptData,
  AttemptObserver,
  DeliveryData,
  EngineObserver,
  FailureData,
  Logger,
  MissedData,
} from '../contract/observing.ts';
import { InvalidOptionError } from '../errors/errors.ts';
import { newEventId } from '../contract/event-id.ts';
import { adaptedLogger } from '../logging/adapted-logger.ts';

/** The types of lifecycle events. */
export const lifecycleEventTypes = [
  'com.modular.eventbus.message.published',
  'com.modular.eventbus.message.received',
  'com.modular.eventbus.message.failed',
  'com.modular.eventbus.topic.created',
  'com.modular.eventbus.topic.deleted',
  'com.modular.eventbus.subscription.created',
  'com.modular.eventbus.subscription.removed',
  'com.modular.eventbus.bus.started',
  'com.modular.eventbus.bus.stopped',
  'com.modular.eventbus.config.loaded',
] as const;

export type LifecycleEventType = (typeof lifecycleEventTypes)[number];

/** The part of a lifecycle event's type after `com.modular.eventbus.`. */
type ShortType = LifecycleEventType extends `com.modular.eventbus.${infer Short}` ? Short : never;

/** A lifecycle event of a bus, as a CloudEvent 1.0. */
export interface LifecycleEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: LifecycleEventType;
  /** ISO 8601. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly data: Readonly<Record<string, unknown>>;
}

/** Called for each lifecycle event, in order. If it throws, the error is logged and has no other effect. */
export type Observer = (event: LifecycleEvent) => void | Promise<void>;

/** Creates lifecycle events and calls the observers. It creates none while there are no observers. */
export class Lifecycle implements EngineObserver {
  /** Undefined while there are no observers of attempts. */
  attempted: AttemptObserver | undefined = undefined;
  readonly #observers = new Set<Observer>();
  readonly #attemptObservers = new Set<AttemptObserver>();
  readonly #source: string;
  readonly #logger: Logger;
  /** Events that the observers have not got yet. */
  readonly #pending: LifecycleEvent[] = [];
  #isNotifying = false;
  /** By subscription, the function that announces its creation, until it has been called. */
  readonly #unannounced = new Map<string, () => void>();

  constructor(source: string, logger: Logger) {
    this.#source = source;
    // A logger that throws must end neither a delivery nor the notifications.
    this.#logger = adaptedLogger(logger);
  }

  get active(): boolean {
    return this.#observers.size > 0;
  }

  /** @returns A function that stops it. */
  observe(observer: Observer): () => void {
    assertObserver(observer);
    // A new wrapper for each call, so that the same function can observe twice and one of them can stop.
    const wrapper: Observer = (event) => observer(event);
    this.#observers.add(wrapper);
    return () => void this.#observers.delete(wrapper);
  }

  /** @returns A function that stops it. */
  observeAttempts(observer: AttemptObserver): () => void {
    assertObserver(observer);
    const wrapper: AttemptObserver = (attempt) => observer(attempt);
    this.#attemptObservers.add(wrapper);
    this.attempted = this.#notifyAttempt;
    return () => {
      this.#attemptObservers.delete(wrapper);
      if (this.#attemptObservers.size === 0) this.attempted = undefined;
    };
  }

  readonly #notifyAttempt = (attempt: AttemptData): void => {
    for (const observer of this.#attemptObservers) {
      try {
        const result = observer(attempt) as void | Promise<void>;
        if (typeof result?.then === 'function') void result.then(undefined, this.#observerFailed);
      } catch (error) {
        this.#observerFailed(error);
      }
    }
  };

  /** Registers how to announce a subscription that is being made, because it may get events before `subscribe` has resolved. */
  onFirstEvent(subscription: string, announce: () => void): void {
    this.#unannounced.set(subscription, announce);
  }

  /** Announces a subscription once, when it is made or gets its first event. */
  announce(subscription: string): void {
    const announce = this.#unannounced.get(subscription);
    if (announce === undefined) return;
    this.#unannounced.delete(subscription);
    announce();
  }

  /** Discards the announcement of a subscription that could not be made. */
  forget(subscription: string): void {
    this.#unannounced.delete(subscription);
  }

  received(data: DeliveryData): void {
    this.announce(data.subscription);
    this.emit('message.received', data);
  }

  failed(data: FailureData): void {
    this.announce(data.subscription);
    this.emit('message.failed', data);
  }

  missed({ since, until, ...data }: MissedData): void {
    const times = { since: since.toISOString(), until: until.toISOString() };
    this.emit('message.failed', { ...data, ...times, outcome: 'missed' });
  }

  emit(type: ShortType, data: object): void {
    if (!this.active) return;
    this.#pending.push(
      Object.freeze({
        specversion: '1.0',
        id: newEventId(),
        source: this.#source,
        type: `com.modular.eventbus.${type}`,
        time: new Date().toISOString(),
        datacontenttype: 'application/json',
        data: Object.freeze({ ...data }),
      }),
    );
    // An event that an observer causes follows the current one, so that every observer gets the same order.
    if (this.#isNotifying) return;
    this.#isNotifying = true;
    for (let event = this.#pending.shift(); event !== undefined; event = this.#pending.shift())
      for (const observer of [...this.#observers]) this.#notify(observer, event);
    this.#isNotifying = false;
  }

  #notify(observer: Observer, event: LifecycleEvent): void {
    try {
      const result = observer(event);
      if (typeof result?.then === 'function') void result.then(undefined, this.#observerFailed);
    } catch (error) {
      this.#observerFailed(error);
    }
  }

  readonly #observerFailed = (error: unknown): void => {
    this.#logger.warn('an observer failed', { error });
  };
}

function assertObserver(observer: unknown): void {
  if (typeof observer !== 'function') throw new InvalidOptionError('observer', observer, 'a function');
}
