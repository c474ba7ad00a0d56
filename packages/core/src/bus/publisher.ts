import type { PublishOptions } from '../contract/bus.ts';
import { describeError } from '../errors/describe-error.ts';
import type { Event } from '../contract/event.ts';
import type { Lifecycle } from './lifecycle-events.ts';
import { type PublishMiddleware, aroundPublish } from './middleware.ts';
import { orAborted } from '../engine-kit/or-aborted.ts';
import type { Router } from '../routing/router.ts';
import { type StandardSchema, validatePayload } from '../typed/standard-schema.ts';
import { eventToPublish } from '../dispatch/event-to-publish.ts';
import {
  type OptionNames,
  assertOptionNames,
  assertSignal,
  publishNames,
} from '../engine/options/call-options.ts';
import type { TopicPublishOptions } from '../typed/typed-topics.ts';
import { assertDelay } from '../engine/options/delay-options.ts';
import { tenantOf } from '../contract/tenant.ts';

const topicPublishNames = {
  ...publishNames,
  id: true,
  key: true,
  metadata: true,
  createdAt: true,
} satisfies OptionNames<TopicPublishOptions>;

/** Publishes the events of a bus: schema first, then middleware, then the router. It also emits the lifecycle events of publishing. */
export class Publisher {
  readonly #router: Router;
  readonly #lifecycle: Lifecycle;
  readonly #schemas: ReadonlyMap<string, StandardSchema>;
  readonly #middleware: readonly PublishMiddleware[];
  /** By error, the ids of events whose failure was already reported, because an error passes several layers. */
  readonly #reported = new WeakMap<object, Set<string>>();

  constructor(
    router: Router,
    lifecycle: Lifecycle,
    schemas: ReadonlyMap<string, StandardSchema>,
    middleware: readonly PublishMiddleware[],
  ) {
    this.#router = router;
    this.#lifecycle = lifecycle;
    this.#schemas = schemas;
    this.#middleware = middleware;
  }

  /** Publishes a payload to a topic. */
  publishTo(topic: string, payload: unknown, options: TopicPublishOptions = {}): Promise<void> {
    assertOptionNames('publish(topic, payload)', options, topicPublishNames);
    const { signal, id, key, metadata, createdAt, delayMs, at } = options;
    const event = eventToPublish({ topic, payload, id, key, metadata, createdAt });
    if (delayMs !== undefined || at !== undefined) return this.publish(event, { signal, delayMs, at });
    return this.publish(event, signal === undefined ? undefined : { signal });
  }

  publish(event: Event, options: PublishOptions | undefined): Promise<void> {
    const schema = this.#schemas.get(event.topic);
    if (schema === undefined && this.#middleware.length === 0 && !this.#lifecycle.active) {
      return this.#router.publish(event, options);
    }
    return this.#publish(event, schema, options);
  }

  async #publish(event: Event, schema: StandardSchema | undefined, options?: PublishOptions): Promise<void> {
    try {
      // The broker gets the payload of the publisher. Only handlers get the output of the schema.
      if (schema !== undefined) await validatePayload(schema, event.payload, event.topic);
      assertSignal(options?.signal);
      if (options !== undefined) assertDelay(options);
      options?.signal?.throwIfAborted();
      if (this.#middleware.length === 0) return await this.send(event, options);
      await this.#throughMiddleware(event, options);
    } catch (error) {
      this.#reportFailure(event, error);
      throw error;
    }
  }

  async #throughMiddleware(event: Event, options: PublishOptions | undefined): Promise<void> {
    const signal = options?.signal;
    let sending: Promise<void> | undefined;
    const send = (changed: Event): Promise<void> => (sending = this.send(changed, options));
    try {
      // The publisher must not wait for a middleware that ignores the signal.
      await orAborted(aroundPublish(this.#middleware, this.#router, send)(event), signal);
    } catch (error) {
      // Once the engine has the event, only the engine knows whether it was aborted before it was sent.
      if (sending === undefined || signal === undefined || error !== signal.reason) throw error;
      await sending;
    }
  }

  /**
   * Publishes an event without schema and middleware, as dead letters are.
   *
   * @param engine - The name of the engine. Default: the engine that the routing rules select.
   */
  async send(event: Event, options?: PublishOptions, engine?: string): Promise<void> {
    try {
      await (engine === undefined ? this.#router : this.#router.engine(engine)).publish(event, options);
    } catch (error) {
      this.#reportFailure(event, error, engine);
      throw error;
    }
    if (this.#lifecycle.active) this.#lifecycle.emit('message.published', this.#dataOf(event, engine));
  }

  #reportFailure(event: Event, reason: unknown, engine?: string): void {
    if (!this.#lifecycle.active) return;
    if (typeof reason === 'object' && reason !== null) {
      const ids = this.#reported.get(reason) ?? new Set();
      if (ids.has(event.id)) return;
      this.#reported.set(reason, ids.add(event.id));
    }
    const { name, message } = describeError(reason);
    const data = { ...this.#dataOf(event, engine), outcome: 'not-published', error: { name, message } };
    this.#lifecycle.emit('message.failed', data);
  }

  #dataOf(event: Event, engine = this.#router.engineFor(event.topic, tenantOf(event))): object {
    const { topic, id, key } = event;
    return { topic, engine, eventId: id, key };
  }
}
