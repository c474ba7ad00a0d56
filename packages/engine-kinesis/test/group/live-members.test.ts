import { expect, test } from 'vitest';
import { LiveMembers } from '../../src/group/live-members.ts';

test('a member that has left the group is forgotten', async () => {
  const live = new LiveMembers(30);
  const member = { heartbeat: 1, patterns: [] };
  await expect.poll(() => live.isDead('a', member)).toBe(true);
  live.forgetOthers({ a: member });
  expect(live.isDead('a', member)).toBe(true);
  live.forgetOthers({});
  // As a member that is seen for the first time.
  expect(live.isDead('a', member)).toBe(false);
});
