import { describeEngine } from '@polybus/conformance';
import { createRouter } from '@polybus/core/engine';
import { durableMemoryEngine, memoryEngine } from '../../src/index.ts';

// Topics of one case are on both engines: a wrapper must behave as what it wraps.
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
