/** For engine authors: what an engine is made of, and what the bus expects of it. */
export { contractVersion } from '../contract/contract-version.ts';
export type {
  AttemptObserver,
  Capabilities,
  Engine,
  EngineHost,
  EngineObserver,
} from '../contract/contract.ts';
export { createEvent, maxKeyLength } from '../contract/event.ts';
export { type ForeignRecord, foreignEvent } from '../contract/foreign-event.ts';
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
  EndWait,
  ListenRequest,
  Listener,
  RawRecord,
  ReadProgress,
  Receiver,
  Transport,
  TransportContext,
} from '../contract/transport.ts';
export { isDeadLetterTopic } from '../dead-letters/dead-letter.ts';
export { insideHandler } from '../dispatch/delivery.ts';
export { isGivenBack } from '../dispatch/give-back.ts';
export { ContractVersionError } from '../errors/errors.ts';
export {
  type EngineFactory,
  type EngineFactoryContext,
  registerEngine,
  registeredEngines,
} from '../registry/registry.ts';
export { type RoutedEngine, type RouterOptions, createRouter } from '../routing/router.ts';
export { type EngineDefinition, createEngine } from './engine.ts';
export type { DeliveryDefaults } from './subscribe-options.ts';
