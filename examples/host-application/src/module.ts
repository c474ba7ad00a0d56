import type {
  ModuleHost,
  ModuleMetrics,
  ModuleSubject,
  ServiceDependency,
  ServiceProvider,
} from '@polybus/core/module';

/** What this application knows of a module. `EventBusModule` fits it without knowing of it. */
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
