/** For engine authors: how to create an engine, and what a bus expects of it. */
export { contractVersion } from '../contract/contract-version.ts';
export type { AttemptObserver, EngineObserver } from '../contract/observing.ts';
export type { Capabilities } from '../contract/capabilities.ts';
export type { Engine, EngineHost } from '../contract/engine.ts';
export { createEvent, maxKeyLength } from '../contract/create-event.ts';
export { type ForeignRecord, foreignEvent } from '../cloudevents/foreign-event.ts';
export {
  TopicMatcher,
  assertTopic,
  assertTopicOrPattern,
  isInternalTopic,
  isPattern,
  matchesTopic,
  maxTopicLength,
  patternCovers,
} from '../contract/topics.ts';
export type {
  Acknowledgement,
  Delay,
  EndWait,
  ListenRequest,
  Listener,
  OpenTransport,
  RawRecord,
  ReadProgress,
  Receiver,
  Transport,
  TransportContext,
} from '../contract/transport.ts';
export { isDeadLetterTopic } from '../dead-letters/dead-letter.ts';
export { inOnePass, insideHandler } from '../dispatch/current-work.ts';
export { isReleaseError } from '../dispatch/release-error.ts';
export { lendWorker } from '../dispatch/wait-graph.ts';
export { ContractVersionError } from '../errors/errors.ts';
export type { CoreErrorCode, EngineErrorCode, PolybusErrorOptions } from '../errors/polybus-error.ts';
export {
  type EngineFactory,
  type EngineFactoryContext,
  registerEngine,
  registeredEngines,
} from '../registry/registry.ts';
export type { RoutedEngine } from '../routing/routed-engines.ts';
export type { RouterOptions } from '../routing/engine-router.ts';
export type { Router } from '../routing/router.ts';
export { createRouter } from '../routing/engine-router.ts';
export { type EngineDefinition, createEngine } from './engine.ts';
export type { DeliveryDefaults } from './options/subscribe-options.ts';
