import { forward } from '@polybus/patterns';
import type { ShopBus } from './open-bus.ts';
import type { Order } from './topics.ts';

const topic = 'shop.order.placed';

/**
 * Opens the service that takes orders. An order is accepted at once, even while the broker is down, and forwarded when the broker works.
 *
 * @returns The function that places an order.
 */
export async function openOrders(bus: ShopBus): Promise<(order: Order) => Promise<void>> {
  await forward(bus, topic, { from: 'outbox', to: 'broker' });
  const outbox = bus.router.engine('outbox');
  // The id of the event is that of the order, so that an order that is placed twice is paid once.
  return (order) => outbox.publish({ topic, payload: order, id: order.orderId, key: order.customer });
}
