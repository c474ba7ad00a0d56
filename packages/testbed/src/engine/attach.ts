import type { Logger } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { onTestFinished } from 'vitest';
import { LogLines } from './log-lines.ts';

/**
 * Gives an engine what a bus would give it: a name, a logger, and a way to write dead letters, which the engine publishes itself. Stops
 * the engine when the test ends.
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
