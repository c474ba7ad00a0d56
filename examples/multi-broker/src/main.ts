import { createEventBus, loadConfig } from '@polybus/core';
import { Journeys } from './journey.ts';
import type { Topics } from './topics.ts';

const orders = [
  { orderId: 'o-1', customer: 'ada', total: 42 },
  { orderId: 'o-2', customer: 'grace', total: 7 },
  { orderId: 'o-3', customer: 'ada', total: 13 },
];
const deadline = AbortSignal.timeout(60_000);

const config = await loadConfig({ file: new URL('../polybus.yaml', import.meta.url) });
await using bus = createEventBus<Topics>(config);
await bus.start({ signal: deadline });

for (const topic of ['cart.checked-out', 'order.placed', 'payment.captured', 'analytics.sale'] as const) {
  console.log(`${topic} is carried by ${bus.router.engineFor(topic)}`);
}

const journeys = new Journeys(
  orders.map(({ orderId }) => orderId),
  4,
);
// Records the engine that delivered an event, which the routing rules only predict.
bus.observe(({ type, data }) => {
  if (type === 'com.modular.eventbus.message.received')
    journeys.brought(String(data['eventId']), String(data['engine']));
});

// Each handler gets an event from one broker and publishes the next event to another, without a reference to either broker.
await bus.subscribe('cart.checked-out', async ({ payload, key }) => {
  await bus.publish('order.placed', payload, { key });
});
await bus.subscribe('order.placed', async ({ payload, key }) => {
  await bus.publish('payment.captured', { ...payload, receipt: `r-${payload.orderId}` }, { key });
});
await bus.subscribe('payment.captured', async ({ payload, key }) => {
  await bus.publish('analytics.sale', { orderId: payload.orderId, total: payload.total }, { key });
});
// One subscription over all four brokers.
await bus.subscribe('*', (event) => journeys.saw(event.payload.orderId, event));

for (const order of orders) await bus.publish('cart.checked-out', order, { key: order.customer });
await Promise.race([
  journeys.complete,
  new Promise((_, reject) => deadline.addEventListener('abort', () => reject(deadline.reason as Error))),
]);

console.log();
for (const line of journeys.lines()) console.log(line);
await bus.stop();

console.log();
for (const [engine, { published, enqueued, delivered, dropped, pending }] of Object.entries(
  bus.statsPerEngine(),
)) {
  const balance = enqueued === delivered + dropped + pending ? 'balanced' : 'NOT BALANCED';
  console.log(`${engine}: published ${published}, delivered ${delivered} of ${enqueued}, ${balance}`);
}
