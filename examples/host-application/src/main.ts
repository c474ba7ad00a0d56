import { readFileSync } from 'node:fs';
import { EventBusModule } from '@polybus/core/module';
import { parse } from 'yaml';
import { Application } from './application.ts';
import { OrdersModule } from './orders.ts';

const config = parse(readFileSync(new URL('../app.yaml', import.meta.url), 'utf8')) as Record<
  string,
  unknown
>;
const app = new Application(config);
const orders = new OrdersModule();
// The order does not matter: the application starts a module after the modules that it depends on.
app.add(orders, new EventBusModule({ logger: { warn: () => {}, error: () => {} } }));
app.observe(({ type, data }) => {
  const { topic, outcome } = data as { topic?: string; outcome?: string };
  const what = type.replace('com.modular.eventbus.', '');
  if (!what.startsWith('message.') || outcome !== undefined)
    console.log(['event:', what, topic, outcome].filter(Boolean).join(' '));
});

await app.start();
await orders.place('o-1', 20);
await orders.place('o-2', -1);
await orders.place('o-3', 5);
console.log('stopping');
await app.stop();
for (const { name, values } of app.metrics())
  for (const [metric, value] of Object.entries(values)) console.log(`${name}.${metric} ${value}`);
