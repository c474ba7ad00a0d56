import { createEventBus } from '@polybus/core';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { redisEngine } from '../../src/index.ts';
import { CuttingProxy } from '../cutting-proxy.ts';
import { LogLines, newPrefix, until } from '../support.ts';

describeWithBroker('redis', 'a topic that is subscribed to for the first time in an outage', ({ url }) => {
  test('can be subscribed to later, and its gaps are reported, although a first subscribe failed', async () => {
    const proxy = await CuttingProxy.start(url);
    const engine = redisEngine({ url: proxy.url, keyPrefix: newPrefix(), commandTimeoutMs: 1000 });
    const bus = createEventBus({ engines: [{ name: 'live', engine }], logger: new LogLines() });
    onTestFinished(() => bus.stop({ timeoutMs: 100 }).catch(() => {}));
    const missed = new Set<unknown>();
    bus.observe(({ type, data }) => {
      if (type.endsWith('message.failed') && data['outcome'] === 'missed') missed.add(data['topic']);
    });
    await bus.start();
    const isUp = async (): Promise<boolean> => (await engine.health()).status === 'up';
    const isLost = async (): Promise<boolean> => {
      const { connections } = (await engine.health()).details as { connections: { status: string }[] };
      return connections.every(({ status }) => status !== 'ready');
    };
    proxy.down();
    await until('the outage to be noticed', isLost);
    // Subscribes again and again, so that one call begins before an earlier one has failed, and lasts until the server is back.
    let [failed, succeeded] = [0, 0];
    await until('a subscribe to fail, and a later one to succeed', () => {
      bus
        .subscribe('late', () => {})
        .then(
          () => succeeded++,
          () => {
            failed++;
            proxy.up();
          },
        );
      return succeeded > 0;
    });
    expect(failed).toBeGreaterThan(0);
    await until('the connections to work', isUp);
    let seen = 0;
    await bus.subscribe('late', () => void seen++);
    await bus.publish('late', 1);
    await until('the event', () => seen === 1);
    proxy.down();
    await until('the outage to be noticed', isLost);
    proxy.up();
    await until('the gap to be reported', () => missed.has('late'));
  });
});
