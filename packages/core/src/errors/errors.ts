import { maskValue } from './mask.ts';
import { PolybusError, type PolybusErrorOptions, quote } from './polybus-error.ts';

/** A topic or pattern outside the grammar, or a pattern where only a topic will do. */
export class InvalidTopicError extends PolybusError {
  constructor(topic: unknown, reason: string) {
    super('INVALID_TOPIC', `Invalid topic ${quote(topic)}: ${reason}`, {
      topic: typeof topic === 'string' ? topic : undefined,
    });
  }
}

/** A field of an event that cannot be published; `field` is its path, such as `payload.user.tags[3]`. */
export class InvalidEventError extends PolybusError {
  readonly field: string;

  constructor(field: string, reason: string, options: PolybusErrorOptions = {}) {
    super('INVALID_EVENT', `Cannot publish the event: ${field} ${reason}`, options);
    this.field = field;
  }
}

/** An option of `subscribe`, `publish`, `stop` or `redrive`, or of an exporter of metrics, with a value outside its range. */
export class InvalidOptionError extends PolybusError {
  readonly option: string;

  constructor(option: string, value: unknown, expected: string, options: PolybusErrorOptions = {}) {
    super('INVALID_OPTION', `Invalid option ${option}: expected ${expected}, got ${quote(value)}`, options);
    this.option = option;
  }
}

/** A call was given an option that it does not have. */
export class UnknownOptionError extends PolybusError {
  /** Its name; with its path if it is inside of another, as in `retry.attempt`. */
  readonly option: string;

  constructor(option: string, call: string, hint: string, options: PolybusErrorOptions = {}) {
    super('UNKNOWN_OPTION', `There is no option "${option}" of ${call}; ${hint}`, options);
    this.option = option;
  }
}

/** `subscribe` without a function as its handler. */
export class HandlerRequiredError extends PolybusError {
  constructor(topic: string, got: unknown) {
    super(
      'HANDLER_REQUIRED',
      `A subscription to "${topic}" needs a handler function, got ${quote(got)}. Call subscribe(topic, (event) => { … }).`,
      { topic },
    );
  }
}

/** An operation before `start`, or after `stop` has begun. */
export class EventBusNotStartedError extends PolybusError {
  constructor(operation: string, state: string, options: PolybusErrorOptions = {}) {
    super(
      'EVENT_BUS_NOT_STARTED',
      state === 'new' || state === 'starting'
        ? `Cannot ${operation}: the event bus is not started. Await start() first.`
        : `Cannot ${operation}: the event bus is ${state}. Await start() before using it again.`,
      options,
    );
  }
}

/** `stop` gave up waiting: handlers were still running, or events still queued, when the time was over. */
export class ShutdownTimeoutError extends PolybusError {
  /** Handlers that were still running; their signals have been aborted. */
  readonly inFlight: number;
  /** Accepted events whose handler had not begun. */
  readonly queued: number;

  constructor(
    timeoutMs: number,
    left: { inFlight: number; queued: number; subscriptions: readonly string[] },
    options: PolybusErrorOptions = {},
  ) {
    super(
      'SHUTDOWN_TIMEOUT',
      `Stopped after ${timeoutMs} ms with ${left.inFlight} handler(s) running and ${left.queued} event(s) queued ` +
        `(${left.subscriptions.join(', ')}). Raise timeoutMs, or end handlers when their signal aborts.`,
      options,
    );
    this.inFlight = left.inFlight;
    this.queued = left.queued;
  }
}

/** An option that the engine has no capability for. */
export class UnsupportedCapabilityError extends PolybusError {
  readonly option: string;

  constructor(option: string, capability: string, engine: string, able: readonly string[]) {
    super(
      'UNSUPPORTED_CAPABILITY',
      `The engine "${engine}" cannot do ${option}: it has no capability "${capability}". ` +
        `Engines that have it: ${able.join(', ')}.`,
      { engine },
    );
    this.option = option;
  }
}

/** An event without a tenant where one is required, or a tenant that is no name, or another one's. */
export class InvalidTenantError extends PolybusError {
  constructor(tenant: unknown, reason: string, options: PolybusErrorOptions = {}) {
    const what = tenant === undefined ? 'The event has no tenant' : `Invalid tenant ${quote(tenant)}`;
    super('INVALID_TENANT', `${what}: ${reason}`, options);
  }
}

/** Throw this from a handler to skip the retries: the event goes straight to its dead letter. */
export class UnrecoverableError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('UNRECOVERABLE', message, options);
  }
}

/** A handler ran longer than `handlerTimeoutMs`; its signal has been aborted and the attempt failed. */
export class HandlerTimeoutError extends PolybusError {
  constructor(topic: string, timeoutMs: number) {
    super(
      'HANDLER_TIMEOUT',
      `The handler of "${topic}" did not finish within ${timeoutMs} ms. End it when its signal aborts, or raise handlerTimeoutMs.`,
      { topic },
    );
  }
}

/** A record that was delivered so often without being settled that its consumer is presumed to die of it. */
export class DeliveryCountExceededError extends PolybusError {
  constructor(topic: string, deliveries: number) {
    super(
      'DELIVERY_COUNT_EXCEEDED',
      `The event was delivered ${deliveries} time(s) and never settled: its handler probably ends the process.`,
      { topic },
    );
  }
}

/** A record that is not an event of ours, nor a CloudEvent that we can read. */
export class UndecodableRecordError extends PolybusError {
  constructor(reason: string, options: PolybusErrorOptions = {}) {
    super('UNDECODABLE_RECORD', `Cannot decode the record: ${reason}`, options);
  }
}

/** A payload that the schema of its topic does not accept. */
export class SchemaValidationError extends PolybusError {
  readonly issues: readonly { readonly path: string; readonly message: string }[];

  constructor(topic: string, issues: readonly { readonly path: string; readonly message: string }[]) {
    const list = issues.map((issue) => `${issue.path}: ${issue.message}`).join('; ');
    super('SCHEMA_VALIDATION', `The payload does not fit the schema of "${topic}": ${list}`, { topic });
    this.issues = issues;
  }
}

/** An engine type that is neither registered nor installed. */
export class UnknownEngineTypeError extends PolybusError {
  constructor(type: string, message: string, options: PolybusErrorOptions = {}) {
    super('UNKNOWN_ENGINE_TYPE', message, { ...options, engine: type });
  }
}

/** An engine that was made with another version of the contract, by another copy of `@polybus/core`. */
export class ContractVersionError extends PolybusError {
  constructor(
    engine: { readonly name: string; readonly type: string; readonly version: unknown },
    contractVersion: number,
  ) {
    const isNewer = typeof engine.version === 'number' && engine.version > contractVersion;
    super(
      'CONTRACT_VERSION',
      `The engine "${engine.name}" (type "${engine.type}") is made for version ${quote(engine.version)} of the engine contract, ` +
        `and this bus for version ${contractVersion}. Update ` +
        (isNewer
          ? 'the bus: npm install @polybus/core@latest.'
          : `the package of the engine "${engine.type}".`) +
        ' "npm ls @polybus/core" shows who brings which.',
      { engine: engine.name },
    );
  }
}

/** `router.engine(name)` with a name that the router does not have. */
export class EngineNotFoundError extends PolybusError {
  constructor(name: string, names: readonly string[]) {
    const shown = maskValue(name);
    super(
      'ENGINE_NOT_FOUND',
      `There is no engine "${shown}"; the engines are ${names.map(maskValue).join(', ')}.`,
      {
        engine: shown,
      },
    );
  }
}

/** `unsubscribe` with a subscription of another bus. */
export class SubscriptionNotFoundError extends PolybusError {
  constructor(id: string) {
    super(
      'SUBSCRIPTION_NOT_FOUND',
      `The subscription ${id} was not made by this event bus. Unsubscribe it where it was made, or call its cancel().`,
    );
  }
}

/** The event bus as a module of an application, used before the application has called `init`. */
export class ModuleNotInitializedError extends PolybusError {
  constructor(name: string) {
    super('MODULE_NOT_INITIALIZED', `The module "${name}" has no bus yet: call init(host) first.`);
  }
}

/** `emitEvent` of a module that was given no subject to hand events to. */
export class NoSubjectForEventEmissionError extends PolybusError {
  constructor(type: string) {
    super(
      'NO_SUBJECT_FOR_EVENT_EMISSION',
      `Nobody takes the event "${type}": call registerObservers(subject) first.`,
    );
  }
}

/** `unsubscribe` with something that is not a subscription. */
export class InvalidSubscriptionError extends PolybusError {
  constructor(got: unknown) {
    super('INVALID_SUBSCRIPTION', `Expected a subscription as subscribe() returns it, got ${quote(got)}.`);
  }
}

/** The broker did not accept an event. The event was not enqueued; `cause` is the client's error. */
export class PublishError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('PUBLISH_FAILED', message, options);
  }
}

/** A middleware that called `next` a second time for one event. */
export class NextCalledTwiceError extends PolybusError {
  constructor(topic: string) {
    super(
      'NEXT_CALLED_TWICE',
      `A middleware called next() twice for one event of "${topic}". Call it once and await it.`,
      {
        topic,
      },
    );
  }
}
