/** The event bus as a module of a host application, and the interface of the host. */
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
