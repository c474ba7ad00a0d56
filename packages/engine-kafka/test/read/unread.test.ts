import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { FetchedRecord } from '../../src/client/fetched-record.ts';
import { Unread } from '../../src/read/unread.ts';
import { recordOf } from '../simulated.ts';
import { until } from '../support.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test('records that were delivered are not kept in memory together with the bytes of their whole answer', async () => {
  const unread = new Unread();
  const add = (): WeakRef<FetchedRecord> => {
    const records = [recordOf(0, 'an event'), recordOf(1, 'another one')];
    unread.add(records);
    return new WeakRef(records[0]!);
  };
  const first = add();
  unread.shift();
  expect(unread.first?.offset).toBe(1);
  unread.shift();
  expect(unread.first).toBeUndefined();
  await until('the first to be collected', async () => {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    return first.deref() === undefined;
  });
  unread.add([recordOf(2, 'a third one')]);
  expect(unread.first?.offset).toBe(2);
});
