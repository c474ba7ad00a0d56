import type { Logger } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { onTestFinished } from 'vitest';
import { LogLines } from './log-lines.ts';

/**
 * Attaches an engine without a bus: with a name, a logger, and a function that publishes dead letters on the engine itself. Stops the
 * engine when the test ends.
 */
export function attachToTest(engine: Engine, name: string, logger: Logger = new LogLines()): Engine {
  engine.attach?.({
    name,
    logger,
    source: 'test',
    observer: { active: false, received: () => {}, failed: () => {}, missed: () => {} },
    publishDeadLetter: (event) => engine.publish(event),
  });
  onTestFinished(() => engine.stop({ timeoutMs: 100 }).catch(() => {}));
  return engine;
}
