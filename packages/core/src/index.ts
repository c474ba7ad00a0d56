export { createEngine, type EngineDefinition } from './engine/engine.ts';
export * from './contract/contract.ts';
export { contractVersion } from './contract/contract-version.ts';
export * from './errors/errors.ts';
export { type Event, type NewEvent, createEvent, maxKeyLength } from './contract/event.ts';
export { type ForeignRecord, foreignEvent } from './contract/foreign-event.ts';
export type { RetryOptions, BackoffOptions } from './contract/retry.ts';
export type { DeliveryDefaults } from './engine/subscribe-options.ts';
export * from './contract/transport.ts';
export {
  TopicMatcher,
  assertTopic,
  assertTopicOrPattern,
  isInternalTopic,
  isPattern,
  matchesTopic,
  maxTopicLength,
  patternCovers,
} from './contract/topics.ts';
export {
  type CutDeadLetter,
  type DeadLetter,
  deadLetterOf,
  deadLetterTopic,
  isDeadLetterTopic,
} from './dead-letters/dead-letter.ts';
export { insideHandler } from './dispatch/delivery.ts';
export { isGivenBack } from './dispatch/give-back.ts';
export {
  type EngineFactory,
  type EngineFactoryContext,
  registerEngine,
  registeredEngines,
} from './registry/registry.ts';
export { type RoutedEngine, type Router, type RouterOptions, createRouter } from './routing/router.ts';
export {
  type EngineConfig,
  type EventBusConfig,
  type ParsedConfig,
  type RoutingRule,
  parseConfig,
} from './config/event-bus-config.ts';
export { type LoadConfigOptions, loadConfig } from './config/loading/load-config.ts';
export type { Environment } from './config/loading/environment.ts';
export { type EventBusOptions, type TypedEventBus, createEventBus } from './bus/create-event-bus.ts';
export type { EventBusParts, ObservableBus } from './bus/event-bus.ts';
export type { EventStream } from './bus/event-stream.ts';
export {
  type LifecycleEvent,
  type LifecycleEventType,
  type Observer,
  lifecycleEventTypes,
} from './bus/lifecycle.ts';
export {
  EventBusModule,
  type EventBusModuleOptions,
  type ModuleConstructor,
  moduleName,
  serviceName,
} from './module/event-bus-module.ts';
export type {
  ConfigSection,
  ModuleEvent,
  ModuleHost,
  ModuleMetrics,
  ModuleSubject,
  ServiceDependency,
  ServiceProvider,
} from './module/module-host.ts';
export { tenantOf } from './contract/tenant.ts';
export { type TenantBus, type TenantMiddlewareOptions, forTenant, tenantMiddleware } from './bus/tenants.ts';
export type { HandleMiddleware, Middleware, PublishMiddleware } from './bus/middleware.ts';
export type { RedriveOptions, RedriveResult } from './dead-letters/redrive.ts';
export type { SchemaInput, SchemaOutput, StandardSchema } from './typed/standard-schema.ts';
export type { PublishedPayload, ReceivedPayload } from './typed/received-payload.ts';
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
export * from './cloudevents/cloudevents.ts';
