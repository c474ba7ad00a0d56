import type { EventBus } from '@polybus/core';
import { expect, onTestFinished } from 'vitest';
import type { BrokerControls } from '../types.ts';
import { newName } from './names.ts';
import { until } from './until.ts';

/**
 * Kills the broker of a bus, starts the bus, and returns the error. Then starts the broker again, and asserts that the same bus starts
 * and delivers an event.
 */
export async function startLater(
  bus: EventBus,
  { kill, restart }: Pick<BrokerControls, 'kill' | 'restart'>,
): Promise<Error> {
  onTestFinished(() => bus.stop({ timeoutMs: 100 }).catch(() => {}));
  await kill();
  const error = await bus.start().then(
    () => expect.fail('start resolved without a broker'),
    (reason: Error) => reason,
  );
  await restart();
  await bus.start();
  const topic = newName();
  const seen: unknown[] = [];
  await bus.subscribe(topic, ({ payload }) => void seen.push(payload));
  await bus.publish({ topic, payload: 'late' });
  await until('the event', () => seen.includes('late'));
  return error;
}
