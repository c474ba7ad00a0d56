import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import type { Event } from '@polybus/core';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { adminOf, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'redis-cli', ({ url }) => {
  const cloudEvent = JSON.stringify({
    specversion: '1.0',
    id: 'foreign-1',
    source: '/shell',
    type: 'user.created',
    partitionkey: 'u1',
    data: { name: 'Ada' },
  });

  const run = promisify(execFile);
  const redisCli = async (...args: string[]): Promise<string> =>
    (await run('redis-cli', ['-u', url, ...args])).stdout;

  test('publishes to a channel', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, keyPrefix });
    const seen: unknown[] = [];
    await engine.subscribe(
      'user.*',
      ({ id, payload, key, metadata }) => void seen.push({ id, payload, key, metadata }),
    );
    await redisCli('PUBLISH', `${keyPrefix}user.created`, cloudEvent);
    await until('the event', () => seen.length === 1);
    const metadata = { 'cloudevents.source': '/shell', 'cloudevents.type': 'user.created' };
    expect(seen).toEqual([{ id: 'foreign-1', payload: { name: 'Ada' }, key: 'u1', metadata }]);
  });

  test('subscribes to a channel', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, keyPrefix });
    const child = spawn('redis-cli', ['-u', url, 'SUBSCRIBE', `${keyPrefix}user.created`]);
    onTestFinished(() => void child.kill());
    let said = '';
    child.stdout.on('data', (chunk) => (said += String(chunk)));
    const admin = adminOf(url);
    await until('redis-cli to listen', async () => {
      const [, count] = (await admin.pubsub('NUMSUB', `${keyPrefix}user.created`)) as [string, number];
      return count === 1;
    });
    await engine.publish({ topic: 'user.created', payload: { name: 'Ada' }, id: 'ours-1' });
    await until('what it prints', () => said.includes('ours-1'));
    const line = said.split('\n').find((one) => one.includes('ours-1'))!;
    expect(JSON.parse(line)).toMatchObject({
      specversion: '1.0',
      type: 'user.created',
      data: { name: 'Ada' },
    });
  });

  test('adds to a stream; an entry that is not an event becomes a dead letter with its bytes', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams' });
    const [seen, dead]: [unknown[], unknown[]] = [[], []];
    await engine.subscribe('user.created', ({ payload }) => void seen.push(payload), { group: 'g' });
    await engine.subscribe('_dead.user.created', ({ payload }) => void dead.push(payload));
    await redisCli('XADD', `${keyPrefix}user.created`, '*', 'event', 'not an event');
    await redisCli('XADD', `${keyPrefix}user.created`, '*', 'name', 'Ada');
    await redisCli('XADD', `${keyPrefix}user.created`, '*', 'event', cloudEvent);
    await until('the event and two dead letters', () => seen.length === 1 && dead.length === 2);
    const texts = dead.map((bytes) => Buffer.from(bytes as Uint8Array).toString());
    expect(texts).toEqual(['not an event', '["name","Ada"]']);
  });

  test('adds an entry whose key is the field `key`, without the limits of publishing', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams' });
    const seen: Event[] = [];
    await engine.subscribe('user.created', (event) => void seen.push(event), { group: 'g' });
    const long = 'k'.repeat(300);
    const event = JSON.stringify({ specversion: '1.0', id: long, source: '/shell', type: 't', data: 1 });
    // The last id that a stream may have says a time that no Date can hold.
    const last = '18446744073709551615-1';
    await redisCli('XADD', `${keyPrefix}user.created`, last, 'key', long, 'event', event);
    await until('the event', () => seen.length === 1);
    expect(seen).toMatchObject([{ id: long, key: long, payload: 1 }]);
    expect(seen[0]?.createdAt.getTime()).not.toBeNaN();
  });

  test('reads a stream', async () => {
    const keyPrefix = newPrefix();
    const engine = await startEngine({ url, keyPrefix, mode: 'streams' });
    await engine.publish({ topic: 'user.created', payload: { name: 'Ada' }, key: 'u1' });
    const [, field, event = '', keyField, key] = (
      await redisCli('XRANGE', `${keyPrefix}user.created`, '-', '+')
    ).split('\n');
    expect([field, keyField, key]).toEqual(['event', 'key', 'u1']);
    expect(JSON.parse(event)).toMatchObject({
      specversion: '1.0',
      data: { name: 'Ada' },
      partitionkey: 'u1',
    });
  });
});
