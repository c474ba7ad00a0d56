import { DescribeStreamSummaryCommand, UpdateMaxRecordSizeCommand } from '@aws-sdk/client-kinesis';
import { RecordTooLargeError } from '@polybus/core';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { FakeKinesis, named, overFake } from '../fake-kinesis.ts';
import { addressOf, plainClient, quick } from '../read/foreign.ts';
import { newStream, patient, startEngine, until } from '../support.ts';

const mebibyte = 1024 * 1024;
const ofBytes = (size: number): string => 'x'.repeat(size);

/** The outcome of a publish: `accepted`, or its error. */
const outcomeOf = (publish: Promise<void>): Promise<unknown> =>
  publish.then(
    () => 'accepted',
    (error: unknown) => error,
  );

describeWithBroker(
  'kinesis',
  'a stream whose maximum record size is lowered while an engine runs',
  (kinesis) => {
    const client = plainClient(kinesis);

    /** An engine that has started with a limit of 2 MiB, on a stream that has one of 1 MiB by now. */
    async function startWithOldLimit(aggregate: boolean) {
      const config = { ...addressOf(kinesis), ...quick, streamName: newStream(), aggregate };
      await startEngine(config);
      const setLimit = async (MaxRecordSizeInKiB: number): Promise<void> => {
        const summary = new DescribeStreamSummaryCommand({ StreamName: config.streamName });
        const { StreamDescriptionSummary: stream } = await client.send(summary);
        await client.send(
          new UpdateMaxRecordSizeCommand({ StreamARN: stream?.StreamARN, MaxRecordSizeInKiB }),
        );
        await until('the stream to be active', async () => {
          const { StreamDescriptionSummary: now } = await client.send(summary);
          return now?.StreamStatus === 'ACTIVE' && now.MaxRecordSizeInKiB === MaxRecordSizeInKiB;
        });
      };
      await setLimit(2048);
      const engine = await startEngine(config);
      await setLimit(1024);
      return engine;
    }

    test(
      'rejects an event that is now too large with RecordTooLargeError, and accepts others',
      patient,
      async () => {
        const engine = await startWithOldLimit(false);
        const publish = (key: string, size: number): Promise<unknown> =>
          outcomeOf(engine.publish({ topic: 'a', key, payload: ofBytes(size) }));
        const outcomes = await Promise.all([
          publish('1', 10),
          publish('2', 1.5 * mebibyte),
          publish('3', 10),
        ]);
        expect(outcomes).toEqual(['accepted', expect.any(RecordTooLargeError), 'accepted']);
        expect(outcomes[1]).toMatchObject({ code: 'RECORD_TOO_LARGE', limit: mebibyte });
        expect((outcomes[1] as RecordTooLargeError).size).toBeGreaterThan(1.5 * mebibyte);
      },
    );

    test('gets smaller aggregated records', patient, async () => {
      const engine = await startWithOldLimit(true);
      const publish = (size: number): Promise<unknown> =>
        outcomeOf(engine.publish({ topic: 'a', key: 'k', payload: ofBytes(size) }));
      // The first leaves alone; the next three wait for it, and would share a record.
      const first = publish(10);
      const outcomes = await Promise.all([first, publish(600_000), publish(600_000), publish(600_000)]);
      expect(outcomes).toEqual(['accepted', 'accepted', 'accepted', 'accepted']);
    });
  },
);

test('also if the server rejects a whole request because of one record, as AWS does', async () => {
  const fake = new FakeKinesis();
  let limitKiB = 2048;
  fake.rule = (operation, { Records }) => {
    if (operation === 'DescribeStreamSummary') {
      const StreamDescriptionSummary = {
        StreamStatus: 'ACTIVE',
        StreamCreationTimestamp: fake.createdAt,
        MaxRecordSizeInKiB: limitKiB,
      };
      return { StreamDescriptionSummary };
    }
    const isTooLarge =
      operation === 'PutRecords' && Records.some(({ Data }) => Data!.length > limitKiB * 1024);
    return isTooLarge ? named('ValidationException', '1 validation error detected') : undefined;
  };
  const engine = await startEngine(overFake(fake));
  limitKiB = 1024;
  const publish = (key: string, size: number): Promise<unknown> =>
    outcomeOf(engine.publish({ topic: 'a', key, payload: ofBytes(size) }));
  const outcomes = await Promise.all([publish('1', 10), publish('2', 1.5 * mebibyte), publish('3', 10)]);
  expect(outcomes).toEqual(['accepted', expect.any(RecordTooLargeError), 'accepted']);
  const before = fake.count('PutRecords');
  // The limit is known now: no request is necessary.
  expect(await publish('4', 1.5 * mebibyte)).toBeInstanceOf(RecordTooLargeError);
  expect(fake.count('PutRecords')).toBe(before);
});
