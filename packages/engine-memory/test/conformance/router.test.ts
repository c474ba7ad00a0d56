import { describeEngine } from '@polybus/conformance';
import { createRouter } from '@polybus/core/engine';
import { durableMemoryEngine, memoryEngine } from '../../src/index.ts';

// The topics of a case are on both engines, because the router must behave as one engine.
describeEngine('router over two memory engines', ({ id, stallLimitMs }) =>
  createRouter({
    engines: [
      { name: 'left', engine: memoryEngine({ stallLimitMs }) },
      { name: 'right', engine: durableMemoryEngine({ stallLimitMs }) },
    ],
    routing: [
      { topics: ['a', 'e', 'i', 'p'].map((letter) => `${id}.${letter}*`), engine: 'left' },
      { topics: ['*'], engine: 'right' },
    ],
  }),
);
