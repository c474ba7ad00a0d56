import type {
  ConfigSection,
  ModuleEvent,
  ModuleHost,
  ModuleMetrics,
  ModuleSubject,
} from '@polybus/core/module';
import type { Module } from './module.ts';

/** How long modules may drain, in milliseconds. */
const drainMs = 10_000;

/** A small application that configures its modules, connects their services, runs them, and passes on their events. */
export class Application implements ModuleHost, ModuleSubject {
  readonly #modules: Module[] = [];
  /** The started modules, the last module first. */
  readonly #running: Module[] = [];
  readonly #config: Readonly<Record<string, unknown>>;
  readonly #sections = new Map<string, ConfigSection>();
  readonly #services = new Map<string, unknown>();
  readonly #observers: ((event: ModuleEvent) => void)[] = [];

  /** @param config - The application's configuration, by section. */
  constructor(config: Readonly<Record<string, unknown>>) {
    this.#config = config;
  }

  add(...modules: Module[]): void {
    this.#modules.push(...modules);
  }

  observe(observer: (event: ModuleEvent) => void): void {
    this.#observers.push(observer);
  }

  registerConfigSection(name: string, section: ConfigSection): void {
    this.#sections.set(name, section);
  }

  configSection(name: string): unknown {
    return this.#config[name];
  }

  notifyObservers(event: ModuleEvent): void {
    for (const observer of this.#observers) observer(event);
  }

  /** Starts the modules. If a module does not start, stops the modules that have started. */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      throw oneError([error, ...(await this.#stopAll())]);
    }
  }

  async #start(): Promise<void> {
    for (const module of this.#modules) module.registerConfig?.(this);
    for (const [name, section] of this.#sections) section.check(this.#config[name]);
    const modules = this.#inOrder();
    for (const module of modules) {
      const services = Object.fromEntries(
        (module.requiresServices?.() ?? []).map(({ name }) => [name, this.#service(name, module)]),
      );
      module.init(this, services);
      for (const { name, instance } of module.providesServices?.() ?? []) this.#services.set(name, instance);
      module.registerObservers?.(this);
    }
    for (const module of modules) {
      this.#running.unshift(module);
      await module.start?.();
    }
  }

  /** Drains all modules and then stops them, each before the modules that it depends on. Continues if a module fails. */
  async stop(): Promise<void> {
    const errors = await errorsOf(this.#running, (module) => module.preStop?.({ timeoutMs: drainMs }));
    errors.push(...(await this.#stopAll()));
    if (errors.length > 0) throw oneError(errors);
  }

  #stopAll(): Promise<unknown[]> {
    return errorsOf(this.#running.splice(0), (module) => module.stop?.());
  }

  metrics(): ModuleMetrics[] {
    return this.#modules.flatMap((module) => module.collectMetrics?.() ?? []);
  }

  #service(name: string, module: Module): unknown {
    if (!this.#services.has(name))
      throw new Error(`The module "${module.name}" needs the service "${name}", which no module provides.`);
    return this.#services.get(name);
  }

  /** The modules, each after the modules that it depends on. */
  #inOrder(): Module[] {
    const ordered = new Set<Module>();
    const visit = (module: Module): void => {
      for (const name of module.dependencies?.() ?? []) {
        const needed = this.#modules.find((one) => one.name === name);
        if (needed === undefined)
          throw new Error(`The module "${module.name}" needs the module "${name}", which is not there.`);
        visit(needed);
      }
      ordered.add(module);
    };
    for (const module of this.#modules) visit(module);
    return [...ordered];
  }
}

/** Calls the function for each module in sequence, and continues after a failure. */
async function errorsOf(
  modules: readonly Module[],
  step: (module: Module) => Promise<void> | undefined,
): Promise<unknown[]> {
  const errors: unknown[] = [];
  for (const module of modules) {
    try {
      await step(module);
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}

function oneError(errors: readonly unknown[]): unknown {
  return errors.length === 1 ? errors[0] : new AggregateError(errors, 'Several modules failed.');
}
