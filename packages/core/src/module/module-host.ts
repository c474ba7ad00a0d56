import type { EventBusConfig } from '../config/event-bus-config.ts';
import type { Logger } from '../contract/observing.ts';

/**
 * What an application offers the module. It is looked at by its structure, and each member may be missing: an application
 * with none of them can host the module too.
 */
export interface ModuleHost {
  /** Takes the module's section of the configuration, before `init`. */
  registerConfigSection?(name: string, section: ConfigSection): void;
  /** What the application's sources say in that section; undefined where they say nothing. Asked by `init`. */
  configSection?(name: string): unknown;
  /** Gets the warnings and errors of the bus, unless the module was given a logger of its own. */
  readonly logger?: Logger | undefined;
}

/** A section of an application's configuration, as a module describes it. */
export interface ConfigSection {
  /** What holds where the application's sources say nothing. What is left out, the engines fill in. */
  readonly defaults: EventBusConfig;
  /**
   * Checks what the sources say, for an application that wants to know before `init`.
   *
   * @throws {@link InvalidConfigError} if the configuration is invalid. The error lists every problem.
   */
  readonly check: (section: unknown) => void;
}

/** Takes the CloudEvents of the application's modules, and hands them to whoever observes. */
export interface ModuleSubject {
  notifyObservers(event: ModuleEvent): void | Promise<void>;
}

/** A CloudEvent 1.0 of a module; those of the bus are {@link LifecycleEvent}s. */
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

/** A service that a module offers the others. */
export interface ServiceProvider<T = unknown> {
  readonly name: string;
  readonly description: string;
  /** Throws {@link ModuleNotInitializedError} before `init`. */
  readonly instance: T;
}

/** A service that a module needs of the others. */
export interface ServiceDependency {
  readonly name: string;
  readonly required: boolean;
}

/** Numbers for an application that collects those of all its modules. */
export interface ModuleMetrics {
  readonly name: string;
  readonly values: Readonly<Record<string, number>>;
}
