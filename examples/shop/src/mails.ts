import { correlationOf } from '@polybus/core';
import { type DedupeStore, dedupe, rateLimit } from '@polybus/patterns';
import type { ShopBus } from './open-bus.ts';

/** A mail, and the event that everything began with. */
export interface Mail {
  readonly to: string;
  readonly text: string;
  readonly because: string;
}

/** Sends one mail per payment, and at most ten mails per second, as the mail server permits. */
export async function openMails(bus: ShopBus, store: DedupeStore, send: (mail: Mail) => void): Promise<void> {
  await bus.subscribeAsync(
    'shop.payment.captured',
    dedupe(
      rateLimit(
        (event) => {
          const { customer, orderId, receipt } = event.payload;
          const because = correlationOf(event).correlationId;
          send({ to: customer, text: `${orderId} is paid: ${receipt}`, because });
        },
        { events: 10, perMs: 1000 },
      ),
      { store },
    ),
    { group: 'mails' },
  );
}
