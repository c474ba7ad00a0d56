import { readFileSync } from 'node:fs';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { LogLines, adminOf, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'an ACL user', ({ url }) => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

  test.each(['pubsub', 'streams'] as const)(
    'with the permissions of the README can use every feature, mode %s',
    async (mode) => {
      const permissions = /the user needs\s+`([^`]+)`/.exec(readme)?.[1]?.split(' ') ?? [];
      expect(permissions.length).toBeGreaterThan(3);
      const keyPrefix = newPrefix();
      const username = keyPrefix.slice(0, -1);
      const admin = adminOf(url);
      await admin.call(
        'ACL',
        'SETUSER',
        username,
        'on',
        '>secret',
        `~${keyPrefix}*`,
        `&${keyPrefix}*`,
        ...permissions,
      );
      onTestFinished(() => void admin.call('ACL', 'DELUSER', username).catch(() => {}));
      const engine = await startEngine({ url, username, password: 'secret', mode, keyPrefix, maxLen: 10 });
      const seen: unknown[] = [];
      const groups = mode === 'streams' ? [undefined, 'g'] : [undefined];
      for (const group of groups)
        await engine.subscribe('*', ({ payload }) => void seen.push(payload), { group });
      for (let n = 0; n < 200; n++) await engine.publish({ topic: 'a.b', payload: n, key: 'k' });
      await until('the events', () => seen.length === 200 * groups.length);
      if (mode === 'streams') {
        await engine.publish({ topic: 'a.b', payload: 'delayed' }, { delayMs: 10 });
        await until('the delayed event', () => seen.filter((one) => one === 'delayed').length === 2);
      }
      expect((await engine.health()).status).toBe('up');
      await engine.stop();
      const log = (await admin.call('ACL', 'LOG')) as unknown[][];
      expect(log.filter((entry) => entry.includes(username))).toEqual([]);
    },
  );

  test('without permissions for sorted sets can use the rest of mode streams, without a warning', async () => {
    const keyPrefix = newPrefix();
    const username = keyPrefix.slice(0, -1);
    const admin = adminOf(url);
    await admin.call('ACL', 'SETUSER', username, 'on', '>secret', `~${keyPrefix}*`, '+@all', '-@sortedset');
    onTestFinished(() => void admin.call('ACL', 'DELUSER', username).catch(() => {}));
    const log = new LogLines();
    const engine = await startEngine({ url, username, password: 'secret', mode: 'streams', keyPrefix }, log);
    const seen: unknown[] = [];
    await engine.subscribe('a', ({ payload }) => void seen.push(payload));
    const refusal = { code: 'PUBLISH_FAILED' };
    await expect(engine.publish({ topic: 'a', payload: 1 }, { delayMs: 5 })).rejects.toMatchObject(refusal);
    await engine.publish({ topic: 'a', payload: 2 });
    await until('the event', () => seen.length === 1);
    expect(log.warnings).toEqual([]);
  });
});
