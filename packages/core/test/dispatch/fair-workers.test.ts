import { expect, test } from 'vitest';
import { createEngine, createEvent } from '../../src/engine/index.ts';
import { ManualTransport, quietHost, turn } from '../transport-support.ts';

test('a busy subscription does not take all workers from another', async () => {
  const transport = new ManualTransport();
  const engine = createEngine({
    type: 'test',
    capabilities: { durable: true, groups: false, replay: false, partitioned: false, crossProcess: true },
    open: (context) => transport.open(context),
    defaults: { workerCount: 1 },
  });
  engine.attach!(quietHost(() => Promise.resolve()));
  await engine.start();
  const order: string[] = [];
  const handler = async ({ topic }: { topic: string }): Promise<void> => {
    order.push(topic);
    await turn();
  };
  await engine.subscribeAsync('busy', handler);
  await engine.subscribeAsync('other', handler);
  const [busy, other] = [transport.receiver('busy'), transport.receiver('other')];
  const acknowledgement = { settled: () => {}, release: () => true };
  for (let n = 0; n < 20; n++) busy.deliver(createEvent({ topic: 'busy', payload: n }), acknowledgement);
  await turn();
  other.deliver(createEvent({ topic: 'other', payload: 0 }), acknowledgement);
  await expect.poll(() => order.length, { timeout: 10_000 }).toBe(21);
  expect(order.indexOf('other')).toBeLessThan(4);
  await engine.stop();
});
