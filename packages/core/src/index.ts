export { createEngine, type EngineDefinition } from './engine.ts';
export * from './contract.ts';
export { contractVersion } from './contract-version.ts';
export * from './errors.ts';
export { type Event, type NewEvent, createEvent, maxKeyLength } from './event.ts';
export { type ForeignRecord, foreignEvent } from './foreign-event.ts';
export type { RetryOptions, BackoffOptions } from './retry.ts';
export type { DeliveryDefaults } from './subscribe-options.ts';
export * from './transport.ts';
export {
  TopicMatcher,
  assertTopic,
  assertTopicOrPattern,
  isInternalTopic,
  isPattern,
  matchesTopic,
  maxTopicLength,
  patternCovers,
} from './topics.ts';
export {
  type CutDeadLetter,
  type DeadLetter,
  deadLetterOf,
  deadLetterTopic,
  isDeadLetterTopic,
} from './dead-letter.ts';
export { insideHandler } from './dispatch/delivery.ts';
export { isGivenBack } from './dispatch/give-back.ts';
export {
  type EngineFactory,
  type EngineFactoryContext,
  registerEngine,
  registeredEngines,
} from './registry.ts';
export { type RoutedEngine, type Router, type RouterOptions, createRouter } from './router.ts';
export {
  type EngineConfig,
  type EventBusConfig,
  type ParsedConfig,
  type RoutingRule,
  parseConfig,
} from './config/event-bus-config.ts';
export { type LoadConfigOptions, loadConfig } from './config/load-config.ts';
export type { Environment } from './config/environment.ts';
export { type EventBusOptions, type TypedEventBus, createEventBus } from './create-event-bus.ts';
export type { EventBusParts, ObservableBus } from './event-bus.ts';
export type { EventStream } from './event-stream.ts';
export {
  type LifecycleEvent,
  type LifecycleEventType,
  type Observer,
  lifecycleEventTypes,
} from './lifecycle.ts';
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
export { tenantOf } from './tenant.ts';
export { type TenantBus, type TenantMiddlewareOptions, forTenant, tenantMiddleware } from './tenants.ts';
export type { HandleMiddleware, Middleware, PublishMiddleware } from './middleware.ts';
export type { RedriveOptions, RedriveResult } from './redrive.ts';
export type { SchemaInput, SchemaOutput, StandardSchema } from './standard-schema.ts';
export type { PublishedPayload, ReceivedPayload } from './received-payload.ts';
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
} from './typed-topics.ts';
export * from './cloudevents.ts';
