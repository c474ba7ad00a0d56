import { createEventBus } from '@polybus/core';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { WallClock } from '../../../conformance/src/support/wall-clock.ts';
import { redisEngine } from '../../src/index.ts';
import { CuttingProxy } from '../cutting-proxy.ts';
import { LogLines, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'events that a subscriber misses while its connection stalls', ({ url }) => {
  test('are within the reported gap', async () => {
    const proxy = await CuttingProxy.start(url);
    const keyPrefix = newPrefix();
    const engine = redisEngine({ url: proxy.url, keyPrefix, commandTimeoutMs: 1000 });
    const bus = createEventBus({ engines: [{ name: 'live', engine }], logger: new LogLines() });
    onTestFinished(() => bus.stop({ timeoutMs: 100 }).catch(() => {}));
    const gaps: { since: number; until: number }[] = [];
    bus.observe(({ type, data }) => {
      const at = (name: string): number => Date.parse(String(data[name]));
      if (type.endsWith('message.failed') && data['outcome'] === 'missed')
        gaps.push({ since: at('since'), until: at('until') });
    });
    await bus.start();
    const seen = new Set<unknown>();
    await bus.subscribe('stall', ({ payload }) => void seen.add(payload));
    const publisher = await startEngine({ url, keyPrefix });
    const published: number[] = [];
    const publish = async (): Promise<void> => {
      published.push(Date.now());
      await publisher.publish({ topic: 'stall', payload: published.length - 1 });
    };
    while (seen.size < 20) await publish();
    proxy.swallow('live-subscriber');
    await until('the gap to be told', async () => {
      await publish();
      return gaps.length > 0;
    });
    const after = seen.size;
    await until('events again', async () => {
      await publish();
      return seen.size > after;
    });
    const missed = published.filter((_, n) => n < published.length - 1 && !seen.has(n));
    expect(missed.length).toBeGreaterThan(0);
    const [gap] = gaps as [(typeof gaps)[0]];
    expect(missed.filter((at) => at < gap.since || at > gap.until)).toEqual([]);
    expect(gap.since).toBeGreaterThan(published[0]! - 60_000);
  });

  test('are within the reported gap if the time of day is set back meanwhile', async () => {
    const proxy = await CuttingProxy.start(url);
    const engine = redisEngine({ url: proxy.url, keyPrefix: newPrefix() });
    const bus = createEventBus({ engines: [{ name: 'live', engine }], logger: new LogLines() });
    onTestFinished(() => bus.stop({ timeoutMs: 100 }).catch(() => {}));
    const gaps: Readonly<Record<string, unknown>>[] = [];
    bus.observe(({ data }) => {
      if (data['outcome'] === 'missed') gaps.push(data);
    });
    await bus.start();
    await bus.subscribe('stall', () => {});
    proxy.down();
    await until('the loss', async () => 'lastGap' in ((await engine.health()).details ?? {}));
    const hourMs = 60 * 60 * 1000;
    const begun = Date.now();
    const clock = new WallClock();
    onTestFinished(() => clock.restore());
    clock.set(-hourMs);
    proxy.up();
    await until('the gap', () => gaps.length > 0);
    const [since, to] = [String(gaps[0]!['since']), String(gaps[0]!['until'])];
    expect(Date.parse(since)).toBeLessThanOrEqual(Date.parse(to));
    expect(Date.parse(to)).toBeLessThan(begun);
  });
});
