import { maskValue } from './mask.ts';
import { PolybusError, type PolybusErrorOptions, quote } from './polybus-error.ts';
import { engineList } from './suggest.ts';

/** A topic or pattern is invalid, or a pattern was passed where a topic is required. */
export class InvalidTopicError extends PolybusError {
  constructor(topic: unknown, reason: string) {
    super('INVALID_TOPIC', `Invalid topic ${quote(topic)}: ${reason}`, {
      topic: typeof topic === 'string' ? topic : undefined,
    });
  }
}

/** An event cannot be published because of one field; `field` is its path, such as `payload.user.tags[3]`. */
export class InvalidEventError extends PolybusError {
  readonly field: string;

  constructor(field: string, reason: string, options: PolybusErrorOptions = {}) {
    super('INVALID_EVENT', `Cannot publish the event: ${field} ${reason}`, options);
    this.field = field;
  }
}

/** An option of a call, or of a metrics exporter, has an invalid value. */
export class InvalidOptionError extends PolybusError {
  readonly option: string;

  constructor(option: string, value: unknown, expected: string, options: PolybusErrorOptions = {}) {
    super('INVALID_OPTION', `Invalid option ${option}: expected ${expected}, got ${quote(value)}`, options);
    this.option = option;
  }
}

/** A call got an option that it does not have. */
export class UnknownOptionError extends PolybusError {
  /** The name of the option, with its path if it is nested, such as `retry.attempt`. */
  readonly option: string;

  constructor(option: string, call: string, hint: string, options: PolybusErrorOptions = {}) {
    super('UNKNOWN_OPTION', `There is no option "${option}" of ${call}; ${hint}`, options);
    this.option = option;
  }
}

/** `subscribe` got a handler that is not a function. */
export class HandlerRequiredError extends PolybusError {
  constructor(topic: string, got: unknown) {
    super(
      'HANDLER_REQUIRED',
      `A subscription to "${topic}" needs a handler function, got ${quote(got)}. Call subscribe(topic, (event) => { … }).`,
      { topic },
    );
  }
}

/** An operation was called before `start` had resolved or after `stop` was called. */
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

/** `stop` gave up waiting: after its timeout, handlers were still running or events were still queued. */
export class ShutdownTimeoutError extends PolybusError {
  /** The number of handlers that were still running. Their signals were aborted. */
  readonly inFlight: number;
  /** The number of accepted events whose handler had not started. */
  readonly queued: number;

  constructor(
    timeoutMs: number,
    left: { inFlight: number; queued: number; subscriptions: readonly string[] },
    options: PolybusErrorOptions = {},
  ) {
    super(
      'SHUTDOWN_TIMEOUT',
      `Stopped after ${timeoutMs} ms with ${left.inFlight} handler(s) running and ${left.queued} event(s) queued ` +
        `(${left.subscriptions.join(', ')}). Raise timeoutMs, or let handlers end when their signal aborts.`,
      options,
    );
    this.inFlight = left.inFlight;
    this.queued = left.queued;
  }
}

/** An option needs a capability that the engine does not have. */
export class UnsupportedCapabilityError extends PolybusError {
  readonly option: string;

  /** @param setting - The option that gives this engine the capability, if there is one. */
  constructor(option: string, capability: string, engine: string, able: readonly string[], setting?: string) {
    const advice = setting === undefined ? '' : `With the option ${setting}, it has this capability. `;
    super(
      'UNSUPPORTED_CAPABILITY',
      `The engine "${engine}" does not support ${option}: it lacks the capability "${capability}". ${advice}` +
        `Engines that have it: ${able.join(', ')}.`,
      { engine },
    );
    this.option = option;
  }
}

/** A tenant is missing, invalid, or not the tenant that is required. */
export class InvalidTenantError extends PolybusError {
  constructor(tenant: unknown, reason: string, options: PolybusErrorOptions = {}) {
    const what = tenant === undefined ? 'The event has no tenant' : `Invalid tenant ${quote(tenant)}`;
    super('INVALID_TENANT', `${what}: ${reason}`, options);
  }
}

/** A handler throws this to skip retries: the event becomes a dead letter at once. */
export class UnrecoverableError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('UNRECOVERABLE', message, options);
  }
}

/** A handler exceeded `handlerTimeoutMs`. Its signal was aborted, and the attempt failed. */
export class HandlerTimeoutError extends PolybusError {
  constructor(topic: string, timeoutMs: number) {
    super(
      'HANDLER_TIMEOUT',
      `The handler of "${topic}" did not finish within ${timeoutMs} ms. Let it end when its signal aborts, or raise handlerTimeoutMs.`,
      { topic },
    );
  }
}

/** A record was delivered so often without being settled that its handler probably ends the process each time. */
export class DeliveryCountExceededError extends PolybusError {
  constructor(topic: string, deliveries: number) {
    super(
      'DELIVERY_COUNT_EXCEEDED',
      `The event was delivered ${deliveries} time(s) and never settled. Its handler probably ends the process each time.`,
      { topic },
    );
  }
}

/** A record is neither an event of polybus nor a CloudEvent that polybus can read. */
export class UndecodableRecordError extends PolybusError {
  constructor(reason: string, options: PolybusErrorOptions = {}) {
    super('UNDECODABLE_RECORD', `Cannot decode the record: ${reason}`, options);
  }
}

/** A payload does not match the schema of its topic. */
export class SchemaValidationError extends PolybusError {
  readonly issues: readonly { readonly path: string; readonly message: string }[];

  constructor(topic: string, issues: readonly { readonly path: string; readonly message: string }[]) {
    const list = issues.map((issue) => `${issue.path}: ${issue.message}`).join('; ');
    super('SCHEMA_VALIDATION', `The payload does not match the schema of "${topic}": ${list}`, { topic });
    this.issues = issues;
  }
}

/** An engine type is neither registered nor installed. */
export class UnknownEngineTypeError extends PolybusError {
  constructor(type: string, message: string, options: PolybusErrorOptions = {}) {
    super('UNKNOWN_ENGINE_TYPE', message, { ...options, engine: type });
  }
}

/** An engine was created by a copy of `@polybus/core` with another version of the engine contract. */
export class ContractVersionError extends PolybusError {
  constructor(
    engine: { readonly name: string; readonly type: string; readonly version: unknown },
    contractVersion: number,
  ) {
    const isNewer = typeof engine.version === 'number' && engine.version > contractVersion;
    super(
      'CONTRACT_VERSION',
      `The engine "${engine.name}" (type "${engine.type}") uses version ${quote(engine.version)} of the engine contract, ` +
        `and this bus uses version ${contractVersion}. Update ` +
        (isNewer
          ? 'the bus: npm install @polybus/core@latest.'
          : `the package of the engine "${engine.type}".`) +
        ' "npm ls @polybus/core" shows which package depends on which version.',
      { engine: engine.name },
    );
  }
}

/** The router has no engine of the name passed to `router.engine(name)`. */
export class EngineNotFoundError extends PolybusError {
  constructor(name: string, names: readonly string[]) {
    const shown = maskValue(name);
    super('ENGINE_NOT_FOUND', `There is no engine "${shown}"; ${engineList(names.map(maskValue))}.`, {
      engine: shown,
    });
  }
}

/** `unsubscribe` got a subscription of another bus. */
export class SubscriptionNotFoundError extends PolybusError {
  constructor(id: string) {
    super(
      'SUBSCRIPTION_NOT_FOUND',
      `The subscription ${id} belongs to another event bus. Unsubscribe it on that bus, or call its cancel().`,
    );
  }
}

/** An event bus module was used before the application called its `init`. */
export class ModuleNotInitializedError extends PolybusError {
  constructor(name: string) {
    super('MODULE_NOT_INITIALIZED', `The module "${name}" has no bus yet: call init(host) first.`);
  }
}

/** `emitEvent` of a module was called before a subject was registered. */
export class NoSubjectForEventEmissionError extends PolybusError {
  constructor(type: string) {
    super(
      'NO_SUBJECT_FOR_EVENT_EMISSION',
      `Cannot emit the event "${type}": no subject is registered. Call registerObservers(subject) first.`,
    );
  }
}

/** `unsubscribe` got a value that is not a subscription. */
export class InvalidSubscriptionError extends PolybusError {
  constructor(got: unknown) {
    super('INVALID_SUBSCRIPTION', `Expected a subscription as subscribe() returns it, got ${quote(got)}.`);
  }
}

/** The broker did not accept an event. `cause` is the error of its client. */
export class PublishError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('PUBLISH_FAILED', message, options);
  }
}

/** An event is larger than its broker accepts. It was not published. */
export class RecordTooLargeError extends PolybusError {
  /** The size of the event as a record of the broker, in bytes. */
  readonly size: number;
  /** The size that the broker accepts, in bytes; undefined if the broker does not report it. */
  readonly limit: number | undefined;

  constructor(
    message: string,
    {
      size,
      limit,
      ...options
    }: PolybusErrorOptions & { readonly size: number; readonly limit: number | undefined },
  ) {
    super('RECORD_TOO_LARGE', message, options);
    this.size = size;
    this.limit = limit;
  }
}

/** A middleware called `next` twice for one event. */
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
