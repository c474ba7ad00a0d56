import type { TypedEventBus } from '@polybus/core';
import { type ModuleHost, type ServiceDependency, moduleName, serviceName } from '@polybus/core/module';
import type { Module } from './module.ts';

/** The payload types of the application's events. */
export interface Topics {
  'order.placed': { readonly id: string; readonly amount: number };
  'audit.order': { readonly id: string; readonly text: string };
}

/** A module that uses the bus as a service and does not depend on an engine. */
export class OrdersModule implements Module {
  readonly name = 'orders';
  #bus!: TypedEventBus<Topics>;
  #greeting = '';

  dependencies(): string[] {
    return [moduleName];
  }

  requiresServices(): ServiceDependency[] {
    return [{ name: serviceName, required: true }];
  }

  init(host: ModuleHost, services: Readonly<Record<string, unknown>>): void {
    this.#bus = services[serviceName] as TypedEventBus<Topics>;
    const section = host.configSection?.(this.name) as { greeting?: string } | undefined;
    this.#greeting = section?.greeting ?? 'Thanks';
  }

  async start(): Promise<void> {
    await this.#bus.subscribe('audit.*', ({ payload }) => console.log(`audit: ${payload.text}`));
    await this.#bus.subscribeAsync('order.placed', async ({ payload: { id, amount } }) => {
      if (amount < 0) throw new RangeError(`the order ${id} has no amount`);
      await this.#bus.publish('audit.order', { id, text: `${this.#greeting} for ${id}` });
    });
  }

  place(id: string, amount: number): Promise<void> {
    return this.#bus.publish('order.placed', { id, amount }, { key: id });
  }
}
