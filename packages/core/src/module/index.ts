/** For applications of modular-like hosts: the event bus as a module, and what it asks of its host. */
export { ModuleNotInitializedError, NoSubjectForEventEmissionError } from '../errors/errors.ts';
export {
  EventBusModule,
  type EventBusModuleOptions,
  type ModuleConstructor,
  moduleName,
  serviceName,
} from './event-bus-module.ts';
export type {
  ConfigSection,
  ModuleEvent,
  ModuleHost,
  ModuleMetrics,
  ModuleSubject,
  ServiceDependency,
  ServiceProvider,
} from './module-host.ts';
