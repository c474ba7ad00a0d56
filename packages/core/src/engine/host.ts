import type { EngineHost } from '../contract/engine.ts';
import type { EngineObserver } from '../contract/observing.ts';
import type { NewEvent } from '../contract/event.ts';
import { consoleLogger } from '../logging/logger.ts';

/** The observer of engines without observers. */
export const noObserver: EngineObserver = {
  active: false,
  received: () => {},
  failed: () => {},
  missed: () => {},
};

/** Returns the host of an engine without a bus: it logs to the console and publishes dead letters to the engine itself. */
export function standaloneHost(
  name: string,
  publishDeadLetter: (event: NewEvent) => Promise<void>,
): EngineHost {
  return { name, logger: consoleLogger, source: 'polybus', observer: noObserver, publishDeadLetter };
}
