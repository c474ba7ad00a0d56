import { type Event, deadLetterOf } from '@polybus/core';
import { expect, onTestFinished, test } from 'vitest';
import { durableMemoryEngine } from '../src/index.ts';

test('the dead letter of an event that its handler made unfit for JSON has its payload as text, and says so', async () => {
  const engine = durableMemoryEngine({ retry: false });
  await engine.start();
  onTestFinished(() => engine.stop());
  const letters: Event[] = [];
  await engine.subscribe('_dead.a', (letter) => void letters.push(letter));
  await engine.subscribe<Record<string, unknown>>('a', ({ payload, metadata }) => {
    payload['self'] = payload;
    (metadata as Record<string, unknown>)['count'] = 1n;
    throw new Error('changed');
  });
  await engine.publish({ topic: 'a', payload: { n: 1 }, metadata: { count: 1, small: 2 } });

  expect(letters).toMatchObject([
    {
      payload: expect.stringMatching(/^<ref \*1> \{ n: 1, self: \[Circular \*1\] \}$/),
      metadata: { small: 2 },
    },
  ]);
  expect(letters[0]!.metadata).not.toHaveProperty('count');
  expect(deadLetterOf(letters[0]!)?.cut?.fields).toEqual(['payload', 'metadata']);
});
