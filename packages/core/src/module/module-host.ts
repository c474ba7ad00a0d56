import type { EventBusConfig } from '../config/event-bus-config.ts';
import type { Logger } from '../contract/observing.ts';

/**
 * What an application provides to the module. Every member is optional: an application with none of them can host the module too.
 */
export interface ModuleHost {
  /** Registers the section of the configuration for the module. Called before `init`. */
  registerConfigSection?(name: string, section: ConfigSection): void;
  /** Returns the value of that section; undefined if it is not set. Called by `init`. */
  configSection?(name: string): unknown;
  /** Gets the warnings and errors of the bus, unless the module has its own logger. */
  readonly logger?: Logger | undefined;
}

/** A module's description of its section in an application's configuration. */
export interface ConfigSection {
  /** Defaults for fields that the application does not set. The engines have defaults for all others. */
  readonly defaults: EventBusConfig;
  /**
   * Validates a section, for an application that checks its configuration before `init`.
   *
   * @throws {@link InvalidConfigError} if the configuration is invalid. The error lists every problem.
   */
  readonly check: (section: unknown) => void;
}

/** Gets the CloudEvents of the application's modules and passes them to its observers. */
export interface ModuleSubject {
  notifyObservers(event: ModuleEvent): void | Promise<void>;
}

/** A CloudEvent 1.0 of a module. Those of the bus are {@link LifecycleEvent}s. */
export interface ModuleEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** ISO 8601. */
  readonly time?: string | undefined;
  readonly datacontenttype?: string | undefined;
  readonly data?: unknown;
}

/** A service that a module provides to others. */
export interface ServiceProvider<T = unknown> {
  readonly name: string;
  readonly description: string;
  /** The service itself. Reading it throws {@link ModuleNotInitializedError} before `init`. */
  readonly instance: T;
}

/** A service that a module needs from others. */
export interface ServiceDependency {
  readonly name: string;
  readonly required: boolean;
}

/** Metrics of a module, for an application that collects those of all its modules. */
export interface ModuleMetrics {
  readonly name: string;
  readonly values: Readonly<Record<string, number>>;
}
