import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type Event, createEventBus } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { kafkaEngine } from '@polybus/engine-kafka';
import { redisEngine } from '@polybus/engine-redis';
import { kafkaTool } from '@polybus/testbed';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { addressesInPages, blocksOf } from '../../test/docs/blocks.ts';

// Runs the commands that the pages show for a broker's own tools.

/** The commands of a page that call a program. */
function commandsOf(page: string, program: string): string[] {
  return blocksOf(page)
    .filter(({ language, code }) => language === 'sh' && code.includes(program))
    .map(({ code }) => code);
}

/** Everything that an engine receives of the topic of the pages. */
async function received(engine: Engine): Promise<Event[]> {
  const bus = createEventBus({ engines: [{ name: 'shell', engine }] });
  await bus.start();
  onTestFinished(() => bus.stop());
  const events: Event[] = [];
  await bus.subscribe('user.created', (event) => void events.push(event));
  return events;
}

describeWithBroker('redis', 'redis-cli', ({ url }) => {
  const lines = commandsOf('packages/engine-redis/README.md', 'redis-cli')
    .join('\n')
    .replaceAll('\\\n', '')
    .split('\n');

  test('publishes an event to a subscription', async () => {
    const events = await received(redisEngine({ url }));
    await type(lines.find((line) => line.includes('PUBLISH'))!);
    await expect.poll(() => events).toMatchObject([{ id: '1', topic: 'user.created', payload: {} }]);
  });

  test('adds an entry with a key to a stream, for a subscription', async () => {
    const events = await received(redisEngine({ url, mode: 'streams' }));
    await type(lines.find((line) => line.includes('XADD'))!);
    await expect.poll(() => events).toMatchObject([{ id: '2', payload: {}, key: 'customer-1' }]);
  });

  /** By a client: not every machine has redis-cli. */
  async function type(line: string): Promise<void> {
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);
    const client = new Redis(url);
    onTestFinished(() => client.disconnect());
    await client.call(words[1]!, ...words.slice(2));
  }
});

describeWithBroker('kafka', 'kafka-console-producer.sh', ({ brokers }) => {
  test('produces a record with a key and a header, for a subscription', async () => {
    const events = await received(kafkaEngine({ brokers }));
    const [command] = commandsOf('packages/engine-kafka/README.md', 'kafka-console-producer.sh');
    const bin = mkdtempSync(join(tmpdir(), 'polybus-docs-'));
    onTestFinished(() => rmSync(bin, { recursive: true, force: true }));
    const tool = await kafkaTool('org.apache.kafka.tools.ConsoleProducer');
    const words = [tool.command, ...tool.args].map((word) => `'${word}'`).join(' ');
    writeFileSync(join(bin, 'kafka-console-producer.sh'), `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
    const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` };
    const here = command!.replace(addressesInPages.kafka, brokers[0]!);
    await promisify(execFile)('sh', ['-c', here], { env });
    await expect
      .poll(() => events, { timeout: 10_000 })
      .toMatchObject([{ payload: { name: 'Ada' }, key: 'u1', metadata: { source: 'shell' } }]);
  });
});
