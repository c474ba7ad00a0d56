import type { Requests } from '@polybus/patterns';
import type { Requests as ShopRequests } from './topics.ts';

/** The bank charges customers. It is another service, and answers requests. */
export class Bank {
  readonly charged = new Map<string, number>();

  async open(requests: Requests<ShopRequests>): Promise<void> {
    await requests.reply('shop.bank.charge', ({ payload: { customer, total } }) => {
      this.charged.set(customer, (this.charged.get(customer) ?? 0) + total);
      return { receipt: `receipt for ${total}` };
    });
  }
}
