import type { Acknowledgement, ListenRequest, Receiver } from '@polybus/core/engine';
import { expect, test } from 'vitest';
import { GroupMember } from '../../src/group/member.ts';
import type { GroupRead, StreamStore } from '../../src/store/stream-store.ts';
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
  const store = {
    logger: new LogLines(),
    options: { claimIdleMs: 30_000 },
    acknowledge: async () => {},
    giveBack: async (_topic: string, _group: string, _consumer: string, all: readonly { id: string }[]) =>
      void givenBack.push(...all.map(({ id }) => id)),
    // As many as are asked for, and there are always more.
    readGroup: async ({ count }: { count: number }): Promise<GroupRead> => {
      const entries = Array.from({ length: count }, (_, n) => ({
        id: `${reads.length}-${n}`,
        fields: [Buffer.from('event'), Buffer.from('{}')],
        deliveries: 1,
      }));
      reads.push(count);
      await answer();
      return { entries, end: undefined, isHeld: false, cursor: '0-0', hasLooked: true };
    },
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
  const member = new GroupMember(request, receiver, 'c', store, () => {});
  member.add('t');
  return { member, reads, taken, givenBack };
}

test.each(turns)('room that comes %i microtasks after there was none is read for', async (turn) => {
  const { member, reads, taken } = makeMember();
  void member.poll('t');
  while (taken.length < 2) await Promise.resolve();
  for (let n = 0; n < turn; n++) await Promise.resolve();
  for (const one of taken.splice(0)) one.settled();
  await new Promise(setImmediate);
  expect(reads.length).toBeGreaterThan(1);
});

test('what a read brings that was sent before an entry was released goes back behind that entry', async () => {
  let answer = (): void => {};
  const { member, reads, taken, givenBack } = makeMember(() =>
    reads.length < 2 ? Promise.resolve() : new Promise((resolve) => (answer = resolve)),
  );
  void member.poll('t');
  await expect.poll(() => taken).toHaveLength(2);
  taken.pop()!.settled();
  await expect.poll(() => reads).toHaveLength(2);
  taken.pop()!.release();
  answer();
  await expect.poll(() => givenBack).toEqual(['0-0', '1-0']);
  expect(taken).toEqual([]);
});
