import type { EngineHost } from '../contract/engine.ts';
import type { EngineObserver } from '../contract/observing.ts';
import type { NewEvent } from '../contract/event.ts';
import { consoleLogger } from '../logging/logger.ts';

/** For engines that nobody observes. */
export const noObserver: EngineObserver = {
  active: false,
  received: () => {},
  failed: () => {},
  missed: () => {},
};

/** The host of an engine that stands alone: it logs to the console and takes its own dead letters. */
export function standaloneHost(
  name: string,
  publishDeadLetter: (event: NewEvent) => Promise<void>,
): EngineHost {
  return { name, logger: consoleLogger, source: 'polybus', observer: noObserver, publishDeadLetter };
}
