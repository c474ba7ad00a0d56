import type {
  ModuleHost,
  ModuleMetrics,
  ModuleSubject,
  ServiceDependency,
  ServiceProvider,
} from '@polybus/core/module';

/** The interface of a module in this application. `EventBusModule` matches it without importing it. */
export interface Module {
  readonly name: string;
  dependencies?(): string[];
  registerConfig?(host: ModuleHost): void;
  requiresServices?(): ServiceDependency[];
  init(host: ModuleHost, services: Readonly<Record<string, unknown>>): void;
  providesServices?(): ServiceProvider[];
  registerObservers?(subject: ModuleSubject): void;
  start?(): Promise<void>;
  preStop?(options: { readonly timeoutMs: number }): Promise<void>;
  stop?(): Promise<void>;
  collectMetrics?(): ModuleMetrics;
}
