import { describeEngine } from '@polybus/conformance';
import { createEventBus } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { durableMemoryEngine, memoryEngine } from '../../src/index.ts';

// With everything in the way that a bus can have: routing, middleware on both sides, an observer. Middleware makes every
// handler asynchronous, so more events are unsettled at a time.
describeEngine('bus over two memory engines', ({ id, stallLimitMs }) => {
  const bus = createEventBus({
    engines: [
      { name: 'left', engine: memoryEngine({ stallLimitMs, maxEventQueueSize: 10_000 }) },
      { name: 'right', engine: durableMemoryEngine({ stallLimitMs }) },
    ],
    routing: [
      { topics: ['a', 'e', 'p'].map((letter) => `${id}.${letter}*`), engine: 'left' },
      { topics: ['*'], engine: 'right' },
    ],
    middleware: { publish: [({ event, next }) => next(event)], handle: [({ event, next }) => next(event)] },
    observers: [() => {}],
  });
  return bus.untyped as Engine;
});
