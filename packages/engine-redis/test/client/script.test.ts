import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { Script } from '../../src/client/script.ts';
import { adminOf } from '../support.ts';

describeWithBroker('redis', 'scripts', ({ url }) => {
  test('a script takes as many arguments as a member with a large buffer has events to release', async () => {
    const countArguments = new Script('return #ARGV');
    const ids = Array.from({ length: 200_000 }, (_, n) => `${n}`);
    expect(await countArguments.run(adminOf(url), [], ids)).toBe(ids.length);
  });
});
