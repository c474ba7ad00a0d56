import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { adminOf, newPrefix, startEngine, until } from '../support.ts';

/*
 * More events at once than a subscription has room for, while it has nothing to do.
 */
describeWithBroker('redis', 'a burst', ({ url }) => {
  const sizes = [
    [20, 10],
    [400, 256],
    [7, 1],
  ] as const;

  for (const kind of ['subscribe', 'subscribeAsync'] as const)
    for (const group of [undefined, 'g'])
      test.each(sizes)(
        `of %i events in one read, with room for %i, is handled (${kind}, ${group ?? 'no group'})`,
        async (count, bufferSize) => {
          const config = { url, mode: 'streams', keyPrefix: newPrefix(), blockMs: 60_000 } as const;
          const engine = await startEngine(config);
          const seen: unknown[] = [];
          const options = group === undefined ? { bufferSize } : { bufferSize, group };
          await engine[kind]('burst', ({ payload }) => void seen.push(payload), options);
          await engine.publish({ topic: 'burst', payload: -1 });
          await until('the first event', () => seen.length === 1);
          const admin = adminOf(url);
          await until('the reader to wait', async () => {
            const clients = String(await admin.client('LIST'));
            return /name=redis-(group-)?reader .* flags=b/.test(clients);
          });
          const all = admin.multi();
          const payloads = Array.from({ length: count }, (_, n) => n);
          for (const data of payloads) {
            const event = { specversion: '1.0', id: `${data}`, source: '/s', type: 'burst', data };
            all.xadd(`${config.keyPrefix}burst`, '*', 'event', JSON.stringify(event));
          }
          await all.exec();
          await until('all of it', () => seen.length === count + 1);
          expect(seen.slice(1)).toEqual(payloads);
          expect(engine.stats().pending).toBe(0);
        },
      );

  test('of many topics at once loads no more events than fit into the buffer of a pattern that replays', async () => {
    const config = { url, mode: 'streams', keyPrefix: newPrefix() } as const;
    const engine = await startEngine(config);
    const topics = Array.from({ length: 100 }, (_, n) => `many.${n}`);
    for (let payload = 0; payload < 20; payload++)
      await Promise.all(topics.map((topic) => engine.publish({ topic, payload })));
    const seen = new Map<string, unknown[]>(topics.map((topic) => [topic, []]));
    let most = 0;
    await engine.subscribe(
      'many.*',
      async ({ topic, payload }) => {
        seen.get(topic)!.push(payload);
        most = Math.max(most, engine.stats().pending);
        await new Promise(setImmediate);
      },
      { from: 'earliest', bufferSize: 10 },
    );
    await until('all of it', () => [...seen.values()].every((payloads) => payloads.length === 20));
    for (const payloads of seen.values()) expect(payloads).toEqual(Array.from({ length: 20 }, (_, n) => n));
    // The buffer, and the event that is handled.
    expect(most).toBeLessThanOrEqual(11);
  });
});
