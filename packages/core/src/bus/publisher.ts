import type { PublishOptions } from '../contract/bus.ts';
import { describeError } from '../errors/describe-error.ts';
import type { Event } from '../contract/event.ts';
import type { Lifecycle } from './lifecycle.ts';
import { type PublishMiddleware, aroundPublish } from './middleware.ts';
import { orAborted } from '../engine-kit/or-aborted.ts';
import type { Router } from '../routing/router.ts';
import { type StandardSchema, validatePayload } from '../typed/standard-schema.ts';
import { assertSignal } from '../engine/subscribe-options.ts';
import { tenantOf } from '../contract/tenant.ts';

/** The publish side of a bus: schema, then middleware, then the router, and the lifecycle events of it. */
export class Publisher {
  readonly #router: Router;
  readonly #lifecycle: Lifecycle;
  readonly #schemas: ReadonlyMap<string, StandardSchema>;
  readonly #middleware: readonly PublishMiddleware[];
  /** The ids of events whose failure has been told, by the error: it passes several layers on its way out. */
  readonly #told = new WeakMap<object, Set<string>>();

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

  publish(event: Event, options: PublishOptions | undefined): Promise<void> {
    const schema = this.#schemas.get(event.topic);
    if (schema === undefined && this.#middleware.length === 0 && !this.#lifecycle.active) {
      return this.#router.publish(event, options);
    }
    return this.#publish(event, schema, options);
  }

  async #publish(event: Event, schema: StandardSchema | undefined, options?: PublishOptions): Promise<void> {
    try {
      // What the schema makes of it is for the handlers: the wire carries what the publisher gave.
      if (schema !== undefined) await validatePayload(schema, event.payload, event.topic);
      assertSignal(options?.signal);
      options?.signal?.throwIfAborted();
      if (this.#middleware.length === 0) return await this.send(event, options);
      await this.#throughMiddleware(event, options);
    } catch (error) {
      this.#tellNotPublished(event, error);
      throw error;
    }
  }

  async #throughMiddleware(event: Event, options: PublishOptions | undefined): Promise<void> {
    const signal = options?.signal;
    let sending: Promise<void> | undefined;
    const send = (changed: Event): Promise<void> => (sending = this.send(changed, options));
    try {
      // A middleware that does not look at the signal must not hold the publisher back.
      await orAborted(aroundPublish(this.#middleware, this.#router, send)(event), signal);
    } catch (error) {
      // Once it is on its way, only the engine knows whether it was given up before it left.
      if (sending === undefined || signal === undefined || error !== signal.reason) throw error;
      await sending;
    }
  }

  /**
   * Past schema and middleware, as dead letters go.
   *
   * @param engine - By its name. Default: the one that the rules say.
   */
  async send(event: Event, options?: PublishOptions, engine?: string): Promise<void> {
    try {
      await (engine === undefined ? this.#router : this.#router.engine(engine)).publish(event, options);
    } catch (error) {
      this.#tellNotPublished(event, error, engine);
      throw error;
    }
    if (this.#lifecycle.active) this.#lifecycle.emit('message.published', this.#about(event, engine));
  }

  #tellNotPublished(event: Event, reason: unknown, engine?: string): void {
    if (!this.#lifecycle.active) return;
    if (typeof reason === 'object' && reason !== null) {
      const ids = this.#told.get(reason) ?? new Set();
      if (ids.has(event.id)) return;
      this.#told.set(reason, ids.add(event.id));
    }
    const { name, message } = describeError(reason);
    const data = { ...this.#about(event, engine), outcome: 'not-published', error: { name, message } };
    this.#lifecycle.emit('message.failed', data);
  }

  #about(event: Event, engine = this.#router.engineFor(event.topic, tenantOf(event))): object {
    const { topic, id, key } = event;
    return { topic, engine, eventId: id, key };
  }
}
