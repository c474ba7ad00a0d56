import { type EventBus, InvalidOptionError, type RouterView } from '@polybus/core';

/** The part of a bus that patterns need. Every bus that `createEventBus` returns has it, whatever the types of its topics. */
export interface PatternBus {
  readonly untyped: EventBus;
  readonly router: RouterView;
}

/**
 * Asserts that an argument is a bus.
 *
 * @throws {@link InvalidOptionError} if it is not.
 */
export function assertBus(bus: PatternBus): void {
  if (typeof bus?.untyped?.publish === 'function' && typeof bus.router?.engineFor === 'function') return;
  throw new InvalidOptionError('bus', bus, 'a bus as createEventBus returns it');
}
