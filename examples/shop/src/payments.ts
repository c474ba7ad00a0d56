import { type DedupeStore, type Requests, circuitBreaker, dedupe } from '@polybus/patterns';
import type { ShopBus } from './open-bus.ts';
import type { Requests as ShopRequests } from './topics.ts';

/** Charges each order once. While the bank does not answer, orders wait. */
export async function openPayments(
  bus: ShopBus,
  requests: Requests<ShopRequests>,
  store: DedupeStore,
): Promise<void> {
  await bus.subscribeAsync(
    'shop.order.placed',
    dedupe(
      circuitBreaker(async ({ payload: order, key }) => {
        const { customer, total } = order;
        const { receipt } = await requests.request('shop.bank.charge', { customer, total });
        await bus.publish('shop.payment.captured', { ...order, receipt }, { key });
      }),
      { store },
    ),
    { group: 'payments' },
  );
}
