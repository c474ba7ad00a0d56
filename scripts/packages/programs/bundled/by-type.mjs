// Publishes and receives an event on the engine `memory`, which the bus finds by its type.
import { createEventBus } from '@polybus/core';

export async function publishAndReceive() {
  const received = [];
  const bus = createEventBus({ engine: 'memory' });
  await bus.start();
  await bus.subscribe('user.created', ({ payload }) => received.push(payload));
  await bus.publish('user.created', 'u1');
  await bus.stop();
  return received;
}
