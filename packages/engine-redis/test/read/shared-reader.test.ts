import type { ListenRequest, Receiver } from '@polybus/core/engine';
import { expect, onTestFinished, test } from 'vitest';
import type { BusyPoll } from '../../src/read/busy-poll.ts';
import type { Connection } from '../../src/client/connection.ts';
import { SharedReader } from '../../src/read/shared-reader.ts';
import { StreamKeys } from '../../src/store/stream-keys.ts';
import type { StreamStore } from '../../src/store/stream-store.ts';
import { LogLines, until } from '../support.ts';

/*
 * Answers that come in an order in which no test of a real server can make them come.
 */
type Raw = readonly [Buffer, readonly Buffer[]];

const entry = (n: number): Raw => [Buffer.from(`${n}-0`), [Buffer.from('event'), Buffer.from('{}')]];

/** A hub whose reads, blocking or not, are answered by the test. */
function makeHub() {
  const reads: { readonly after: string; readonly answer: (entries: readonly Raw[]) => void }[] = [];
  const ranges: (() => void)[] = [];
  const keys = new StreamKeys('p:');
  let end = (): void => {};
  const client = {
    callBuffer: (...args: unknown[]) =>
      new Promise((resolve) => {
        const names = args.slice(args.indexOf('STREAMS') + 1) as string[];
        const at = names.indexOf('p:t');
        const answer = (entries: readonly Raw[]): void => resolve([[Buffer.from('p:t'), entries]]);
        if (at >= 0) reads.push({ after: names[at + names.length / 2]!, answer });
        end = () => resolve(null);
      }),
  };
  const run = (command: (of: typeof client) => unknown): unknown => command(client);
  const connection = { listen: () => {}, run, close: () => end(), isReady: true };
  const store = {
    keys,
    options: { blockMs: 1, commandTimeoutMs: 1 },
    logger: new LogLines(),
    run: async () => [],
    lastId: async () => '90-0',
    range: () => new Promise((resolve) => ranges.push(() => resolve([]))),
    trimmedTo: async () => '0-0',
    missed: () => {},
  };
  const polls: string[] = [];
  const busyPoll = { begin: () => polls.push('begin'), end: () => polls.push('end') } as unknown as BusyPoll;
  const hub = new SharedReader(
    connection as unknown as Connection,
    store as unknown as StreamStore,
    'id',
    busyPoll,
  );
  onTestFinished(() => hub.stop());
  return { hub, reads, ranges, polls };
}

interface SeeingReceiver extends Receiver {
  readonly seen: readonly unknown[];
}

function makeReceiver(): SeeingReceiver {
  const seen: unknown[] = [];
  const take = (): void => void seen.push(1);
  return { capacity: 100, enqueue: take, undecodable: take, drop: () => {}, run: () => {}, seen } as never;
}

const request = { pattern: 't', from: 'latest', concurrency: 1 } as unknown as ListenRequest;

test('the answer to a read from a later position is not used for a subscription at an earlier position', async () => {
  const { hub, reads, ranges } = makeHub();
  const first = await hub.listen(request, makeReceiver());
  await until('a read', () => reads.length === 1);
  // A subscription that starts in the past reads on its own, and finds that it is at the end.
  const receiver = makeReceiver();
  await hub.listen({ ...request, from: new Date(91) }, receiver);
  await until('a range', () => ranges.length === 1);
  reads[0]!.answer([entry(100)]);
  await until('the next read', () => reads.length === 2);
  expect(reads[1]!.after).toBe('100-0');
  // Now no subscription follows, and the second subscription joins at its own position, before the position of the pending read.
  await first.stop();
  ranges[0]!();
  await new Promise(setImmediate);
  reads[1]!.answer([entry(101)]);
  await until('another read', () => reads.length === 3);
  expect(receiver.seen).toEqual([]);
  reads[2]!.answer([entry(100), entry(101)]);
  await until('both events', () => receiver.seen.length === 2);
});

test('polling lasts from the sending of a read until its answer', async () => {
  const { hub, reads, polls } = makeHub();
  await hub.listen(request, makeReceiver());
  await until('a read', () => reads.length === 1);
  expect(polls).toEqual(['begin']);
  reads[0]!.answer([entry(91)]);
  await until('the next read', () => reads.length === 2);
  expect(polls).toEqual(['begin', 'end', 'begin']);
});
