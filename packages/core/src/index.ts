export { type EventBusOptions, createEventBus } from './bus/create-event-bus.ts';
export type { TypedEventBus } from './bus/typed-event-bus.ts';
export type { EventBusParts } from './bus/event-bus-parts.ts';
export type { ObservableBus } from './bus/typed-event-bus.ts';
export type { EventStream } from './bus/event-stream.ts';
export {
  type LifecycleEvent,
  type LifecycleEventType,
  type Observer,
  lifecycleEventTypes,
} from './bus/lifecycle-events.ts';
export type {
  HandleMiddleware,
  HandleMiddlewareContext,
  Middleware,
  PublishMiddleware,
  PublishMiddlewareContext,
} from './bus/middleware.ts';
export { type TenantBus, type TenantMiddlewareOptions, forTenant, tenantMiddleware } from './bus/tenants.ts';
export type { EngineConfig, EventBusConfig, ParsedConfig } from './config/event-bus-config.ts';
export { parseConfig } from './config/parse-config.ts';
export type { RoutingRule } from './routing/routing-rules.ts';
export type { Environment } from './config/loading/sources.ts';
export { type LoadConfigOptions, loadConfig } from './config/loading/load-config.ts';
export type {
  AttemptData,
  AttemptOutcome,
  ConsumerLag,
  DeliveryData,
  DeliveryStats,
  DropReason,
  EngineHealth,
  EngineState,
  FailureData,
  Logger,
  MissedData,
} from './contract/observing.ts';
export type {
  BatchContext,
  BatchHandler,
  Duration,
  EventBus,
  EventHandler,
  HandlerContext,
  PublishOptions,
  StartOptions,
  StartPosition,
  StopOptions,
  SubscribeBatchOptions,
  SubscribeOptions,
  Subscription,
  TimeToLive,
} from './contract/bus.ts';
export type { EngineType, EngineTypeConfig, EngineTypes } from './contract/engine.ts';
export type { Event, NewEvent } from './contract/event.ts';
export type { BackoffOptions, RetryOptions } from './contract/retry.ts';
export { type CauseMetadata, type Correlation, causedBy, correlationOf } from './contract/correlation.ts';
export { tenantOf } from './contract/tenant.ts';
export {
  type CutDeadLetter,
  type DeadLetter,
  deadLetterOf,
  deadLetterTopic,
} from './dead-letters/dead-letter.ts';
export type { RedriveOptions } from './bus/redrive/redrive-run.ts';
export type { RedriveResult } from './bus/redrive/redrive.ts';
export {
  ConfigFileError,
  type ConfigProblem,
  DuplicateEngineNameError,
  InvalidConfigError,
  MissingPackageError,
  MissingVariableError,
  UnknownEngineReferenceError,
} from './errors/config-errors.ts';
export {
  DeliveryCountExceededError,
  EngineNotFoundError,
  EventBusNotStartedError,
  HandlerRequiredError,
  HandlerTimeoutError,
  InvalidEventError,
  InvalidOptionError,
  InvalidSubscriptionError,
  InvalidTenantError,
  InvalidTopicError,
  NextCalledTwiceError,
  PublishError,
  RecordTooLargeError,
  SchemaValidationError,
  ShutdownTimeoutError,
  SubscriptionNotFoundError,
  UndecodableRecordError,
  UnknownEngineTypeError,
  UnknownOptionError,
  UnrecoverableError,
  UnsupportedCapabilityError,
} from './errors/errors.ts';
export { type ErrorCode, PolybusError } from './errors/polybus-error.ts';
export type { RouterView } from './routing/router.ts';
export type { PublishedPayload, ReceivedPayload } from './typed/received-payload.ts';
export type { SchemaInput, SchemaOutput, StandardSchema } from './typed/standard-schema.ts';
export type {
  EventOf,
  HandledTopics,
  HandlerOf,
  MatchingTopic,
  TopicMap,
  TopicOf,
  TopicPattern,
  TopicPublishOptions,
  TypedPublish,
  TypedSubscribe,
} from './typed/typed-topics.ts';
