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

/** The ten things that happen in the life of a bus. */
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

/** Something that happened in the life of a bus, as a CloudEvent 1.0. */
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

/** Told of lifecycle events, in the order in which they happen. What it throws is logged and harms nobody. */
export type Observer = (event: LifecycleEvent) => void | Promise<void>;

/** Makes lifecycle events and tells the observers. Nothing is made while nobody observes. */
export class Lifecycle implements EngineObserver {
  /** Undefined while nobody asks. */
  attempted: AttemptObserver | undefined = undefined;
  readonly #observers = new Set<Observer>();
  readonly #attemptObservers = new Set<AttemptObserver>();
  readonly #source: string;
  readonly #logger: Logger;
  /** What has happened and has not been told yet. */
  readonly #untold: LifecycleEvent[] = [];
  #isTelling = false;
  /** By subscription, how to tell of its making, until that is told. */
  readonly #unannounced = new Map<string, () => void>();

  constructor(source: string, logger: Logger) {
    this.#source = source;
    // A logger that throws must end neither a delivery nor the telling.
    this.#logger = adaptedLogger(logger);
  }

  get active(): boolean {
    return this.#observers.size > 0;
  }

  /** @returns how to stop observing. */
  observe(observer: Observer): () => void {
    assertObserver(observer);
    // A wrapper of its own, so that the same function may observe twice and end one of them.
    const own: Observer = (event) => observer(event);
    this.#observers.add(own);
    return () => void this.#observers.delete(own);
  }

  /** @returns how to stop observing. */
  observeAttempts(observer: AttemptObserver): () => void {
    assertObserver(observer);
    const own: AttemptObserver = (attempt) => observer(attempt);
    this.#attemptObservers.add(own);
    this.attempted = this.#tellAttempt;
    return () => {
      this.#attemptObservers.delete(own);
      if (this.#attemptObservers.size === 0) this.attempted = undefined;
    };
  }

  readonly #tellAttempt = (attempt: AttemptData): void => {
    for (const observer of this.#attemptObservers) {
      try {
        const result = observer(attempt) as void | Promise<void>;
        if (typeof result?.then === 'function') void result.then(undefined, this.#observerFailed);
      } catch (error) {
        this.#observerFailed(error);
      }
    }
  };

  /** Says how to tell of a subscription that is being made: an engine may hand it events before `subscribe` has resolved. */
  announceInTime(subscription: string, announce: () => void): void {
    this.#unannounced.set(subscription, announce);
  }

  /** Tells of a subscription that is made, or that has its first event; once. */
  announce(subscription: string): void {
    const announce = this.#unannounced.get(subscription);
    if (announce === undefined) return;
    this.#unannounced.delete(subscription);
    announce();
  }

  /** A subscription that could not be made is told of no more. */
  withdraw(subscription: string): void {
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
    this.#untold.push(
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
    // What an observer causes is told after what it is being told: every observer sees one order.
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let event = this.#untold.shift(); event !== undefined; event = this.#untold.shift())
      for (const observer of [...this.#observers]) this.#tell(observer, event);
    this.#isTelling = false;
  }

  #tell(observer: Observer, event: LifecycleEvent): void {
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
