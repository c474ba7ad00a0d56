import { randomUUID } from 'node:crypto';
import { createRequests } from '@polybus/patterns';
import { Bank } from './bank.ts';
import { openDedupeStore } from './dedupe-store.ts';
import { type Mail, openMails } from './mails.ts';
import { openBus } from './open-bus.ts';
import { openOrders } from './orders.ts';
import { openPayments } from './payments.ts';
import type { Requests } from './topics.ts';

const deadline = AbortSignal.timeout(60_000);
// Other runs share the broker: their orders have other names.
const run = randomUUID().slice(0, 8);
const orders = [
  { orderId: `${run}-1`, customer: `ada-${run}`, total: 42 },
  { orderId: `${run}-2`, customer: `grace-${run}`, total: 7 },
  { orderId: `${run}-3`, customer: `ada-${run}`, total: 13 },
];

const bus = await openBus();
await bus.start({ signal: deadline });
const { store, close } = openDedupeStore(process.env['DEDUPE_REDIS_URL']);
const requests = createRequests<Requests>(bus, { replyTopic: '_replies.shop' });
const bank = new Bank();
const mails: Mail[] = [];
const allMails = new Promise<void>((resolve, reject) => {
  deadline.addEventListener('abort', () => reject(deadline.reason as Error));
  const send = (mail: Mail): void => {
    if (mail.to.endsWith(run) && mails.push(mail) === orders.length) resolve();
  };
  openServices(send).catch(reject);
});

async function openServices(send: (mail: Mail) => void): Promise<void> {
  await bank.open(requests);
  await openPayments(bus, requests, store);
  await openMails(bus, store, send);
  const place = await openOrders(bus);
  // The first customer has pressed the button twice.
  for (const order of [orders[0]!, ...orders]) await place(order);
}

await allMails;
console.log(`The broker is ${bus.router.engine('broker').type}.`);
const nameOf = (text: string): string => text.replace(`-${run}`, '').replace(`${run}-`, 'order ');
for (const { to, text, because } of mails.toSorted((a, b) => (a.because < b.because ? -1 : 1)))
  console.log(`Mail to ${nameOf(to)}: ${nameOf(text)}, because of ${nameOf(because)}`);
for (const [customer, total] of [...bank.charged].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  if (customer.endsWith(run)) console.log(`${nameOf(customer)} was charged ${total}`);
await requests.close();
await bus.stop();
close();
