import type { Acknowledgement, ListenRequest, Receiver } from '@polybus/core/engine';
import { expect, test } from 'vitest';
import { LocalMember } from '../../src/group/local-member.ts';
import { StreamKeys } from '../../src/store/stream-keys.ts';
import type { StreamStore } from '../../src/store/stream-store.ts';
import { LogLines } from '../support.ts';

/*
 * Moments of a read at which no test of a real server can make handlers settle.
 */
const turns = Array.from({ length: 16 }, (_, n) => n);

/** @param answer - Resolves when the server answers a read. */
function makeMember(answer: () => Promise<void> = () => Promise.resolve()) {
  const reads: number[] = [];
  const taken: Acknowledgement[] = [];
  const givenBack: string[] = [];
  const client = {
    xack: async () => {},
    evalshaBuffer: async (_sha: string, _keyCount: number, _keys: unknown, args: unknown[]) => {
      const count = args[2];
      // The third argument of a read is a number, and of a release it is the topic.
      if (typeof count !== 'number') {
        for (let i = 4; i < args.length; i += 3) givenBack.push(String(args[i]));
        return null;
      }
      // Each read returns as many entries as it asks for, and there are always more.
      const entries = Array.from({ length: count }, (_, n) => [
        Buffer.from(`${reads.length}-${n}`),
        [Buffer.from('event'), Buffer.from('{}')],
        1,
      ]);
      reads.push(count);
      await answer();
      return [entries, Buffer.from('more'), Buffer.from('0-0')];
    },
  };
  const store = {
    logger: new LogLines(),
    options: { claimIdleMs: 30_000 },
    keys: new StreamKeys('p:'),
    run: async (command: (of: typeof client) => unknown) => command(client),
  } as unknown as StreamStore;
  const take = (_: unknown, acknowledgement: Acknowledgement): void => void taken.push(acknowledgement);
  const receiver = {
    get capacity() {
      return 2 - taken.length;
    },
    onRoom: undefined,
    enqueue: take,
    undecodable: take,
    run: () => {},
  } as unknown as Receiver;
  const request = { pattern: 't', group: 'g', concurrency: 1 } as unknown as ListenRequest;
  const member = new LocalMember(request, receiver, 'c', store, () => {});
  const topic = member.add('t');
  return { topic, reads, taken, givenBack };
}

test.each(turns)('a read follows if room appears %i microtasks after there was none', async (turn) => {
  const { topic, reads, taken } = makeMember();
  void topic.poll();
  for (let n = 0; taken.length < 2; n++) {
    // Without this limit, a read that fails would keep this loop, and the whole run, from ending.
    expect(n).toBeLessThan(1000);
    await Promise.resolve();
  }
  for (let n = 0; n < turn; n++) await Promise.resolve();
  for (const one of taken.splice(0)) one.settled();
  await new Promise(setImmediate);
  expect(reads.length).toBeGreaterThan(1);
});

test('entries of a read that was sent before an entry was released are returned behind that entry', async () => {
  let answer = (): void => {};
  const { topic, reads, taken, givenBack } = makeMember(() =>
    reads.length < 2 ? Promise.resolve() : new Promise((resolve) => (answer = resolve)),
  );
  void topic.poll();
  await expect.poll(() => taken).toHaveLength(2);
  taken.pop()!.settled();
  await expect.poll(() => reads).toHaveLength(2);
  taken.pop()!.release();
  answer();
  await expect.poll(() => givenBack).toEqual(['0-0', '1-0']);
  expect(taken).toEqual([]);
});
