import { newEventId } from './event-id.ts';
import type { DeliveryData, EngineObserver, FailureData, Logger, MissedData } from './contract.ts';

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
  readonly #observers = new Set<Observer>();
  readonly #source: string;
  readonly #logger: Logger;

  constructor(source: string, logger: Logger) {
    this.#source = source;
    this.#logger = logger;
  }

  get active(): boolean {
    return this.#observers.size > 0;
  }

  /** @returns how to stop observing. */
  observe(observer: Observer): () => void {
    // A wrapper of its own, so that the same function may observe twice and end one of them.
    const own: Observer = (event) => observer(event);
    this.#observers.add(own);
    return () => void this.#observers.delete(own);
  }

  received(data: DeliveryData): void {
    this.emit('message.received', data);
  }

  failed(data: FailureData): void {
    this.emit('message.failed', data);
  }

  missed({ since, until, ...data }: MissedData): void {
    const times = { since: since.toISOString(), until: until.toISOString() };
    this.emit('message.failed', { ...data, ...times, outcome: 'missed' });
  }

  emit(type: ShortType, data: object): void {
    if (!this.active) return;
    const event: LifecycleEvent = {
      specversion: '1.0',
      id: newEventId(),
      source: this.#source,
      type: `com.modular.eventbus.${type}`,
      time: new Date().toISOString(),
      datacontenttype: 'application/json',
      data: { ...data },
    };
    for (const observer of [...this.#observers]) {
      try {
        const result = observer(event);
        if (typeof result?.then === 'function') void result.then(undefined, this.#observerFailed);
      } catch (error) {
        this.#observerFailed(error);
      }
    }
  }

  readonly #observerFailed = (error: unknown): void => {
    this.#logger.warn('an observer failed', { error });
  };
}
