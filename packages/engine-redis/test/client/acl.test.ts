import { readFileSync } from 'node:fs';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { adminOf, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'an ACL user', ({ url }) => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

  test.each(['pubsub', 'streams'] as const)(
    'with the permissions of the README can use every feature, mode %s',
    async (mode) => {
      const permissions = /the user needs `([^`]+)`/.exec(readme)?.[1]?.split(' ') ?? [];
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
      expect((await engine.health()).status).toBe('up');
      await engine.stop();
      const log = (await admin.call('ACL', 'LOG')) as unknown[][];
      expect(log.filter((entry) => entry.includes(username))).toEqual([]);
    },
  );
});
