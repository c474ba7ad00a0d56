import { newName, spawnFixture, until } from '@polybus/testbed/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { createRequests } from '../../src/index.ts';
import { describeBrokers, startBus } from '../engines.ts';

const timeoutMs = 40_000;

describeBrokers('requests and replies of several processes', (newConfig) => {
  test('each requester gets its own replies, although they share a reply topic', async () => {
    const config = newConfig();
    const [topic, replyTopic] = [newName('stock.get'), newName('replies')];
    const requesters = [];
    for (let i = 0; i < 2; i++) requesters.push(createRequests(await startBus(config), { replyTopic }));
    const replier = createRequests(await startBus(config), { replyTopic });
    await replier.reply(topic, ({ payload }) => ({ handled: payload }));
    const replies = await Promise.all(
      requesters.flatMap((requester, i) =>
        Array.from({ length: 5 }, (_, n) => requester.request(topic, `${i}-${n}`, { timeoutMs })),
      ),
    );
    const sent = [0, 1].flatMap((i) => Array.from({ length: 5 }, (_, n) => ({ handled: `${i}-${n}` })));
    expect(replies).toEqual(sent);
    expect(requesters.map((requester) => requester.stats())).toEqual(
      requesters.map(() => ({ pending: 0, late: 0 })),
    );
  });

  test('the reply to a requester that was killed is ignored by the others', async () => {
    const config = newConfig();
    const [topic, replyTopic] = [newName('stock.get'), newName('replies')];
    const bus = await startBus(config);
    const requests = createRequests(bus, { replyTopic });
    const handled: unknown[] = [];
    let answer: () => void = () => {};
    const isDead = new Promise<void>((resolve) => (answer = resolve));
    await requests.reply(topic, async ({ payload }) => {
      handled.push(payload);
      if (payload === 'of the dead') await isDead;
      return payload;
    });
    // Reads the replies before the requester dies.
    expect(await requests.request(topic, 'first', { timeoutMs })).toBe('first');
    const fixture = new URL('../fixtures/requester.ts', import.meta.url);
    const { child } = await spawnFixture(fixture, JSON.stringify({ config, topic, replyTopic }));
    await until('the handler has the request', () => handled.includes('of the dead'));
    child.kill('SIGKILL');
    const replies: unknown[] = [];
    await bus.subscribe(replyTopic, ({ payload }) => replies.push(payload));
    answer();
    await until('the reply is there', () => replies.includes('of the dead'));
    expect(await requests.request(topic, 'last', { timeoutMs })).toBe('last');
    expect(requests.stats()).toEqual({ pending: 0, late: 0 });
  });
});

describeWithBroker('redis', 'requests on Redis Pub/Sub, which has no groups', ({ url }) => {
  test('each process that replies handles each request, and the first reply counts', async () => {
    const config = { engine: 'redis', config: { mode: 'pubsub', url, keyPrefix: `${newName()}:` } };
    const requests = createRequests(await startBus(config));
    const handled: number[] = [];
    const opening = [0, 1].map(async (replier) => {
      const replies = createRequests(await startBus(config));
      return replies.reply('stock.get', ({ payload }) => {
        handled.push(replier);
        return payload;
      });
    });
    const subscriptions = await Promise.all(opening);
    expect(subscriptions.map(({ group }) => group)).toEqual([undefined, undefined]);
    expect(await requests.request('stock.get', 'lamp', { timeoutMs })).toBe('lamp');
    await expect.poll(() => handled.toSorted((a, b) => a - b)).toEqual([0, 1]);
    await expect.poll(() => requests.stats()).toEqual({ pending: 0, late: 1 });
  });
});
