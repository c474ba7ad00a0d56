import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  type NewEvent,
  PolybusError,
  UndecodableRecordError,
  createEngine,
  createEvent,
} from '../src/index.ts';
import { deadLetterKey } from '../src/dead-letter.ts';
import { ManualTransport, quietHost, turn } from './transport-support.ts';

const limit = 20_000;

/** An engine over a broker that takes no more than so many characters, whose handlers fail. */
async function start(letters: NewEvent[]): Promise<ManualTransport> {
  const transport = new ManualTransport();
  const engine = createEngine({
    type: 'test',
    capabilities: { durable: true, groups: false, replay: false, partitioned: false, crossProcess: true },
    transport,
  });
  engine.attach!(
    quietHost(async (event) => {
      const payload =
        event.payload instanceof Uint8Array ? Buffer.from(event.payload).toString('base64') : event.payload;
      if (JSON.stringify({ ...event, payload }).length > limit) {
        throw new PolybusError('RECORD_TOO_LARGE', 'too large');
      }
      letters.push(event);
    }),
  );
  await engine.start();
  const handler = ({ payload }: { payload: unknown }): never => {
    throw new Error(String(payload));
  };
  await engine.subscribe('t', handler, { retry: { attempts: 1 } });
  return transport;
}

const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('a record that is no event, and too large for a dead letter, leaves its beginning, and is acknowledged', async () => {
  const letters: NewEvent[] = [];
  const transport = await start(letters);
  const bytes = new Uint8Array(limit).fill(0xff);
  const error = new UndecodableRecordError('no');
  let settled = 0;
  const acknowledgement = { settled: () => void settled++, release: () => true };
  transport.receiver('t').undecodable({ topic: 't', bytes, error, headers: { a: 'b' } }, acknowledgement);
  await expect.poll(() => settled).toBe(1);
  expect(letters).toMatchObject([{ topic: '_dead.t', payload: bytes.subarray(0, 8192) }]);
  expect(letters[0]?.metadata?.[deadLetterKey]).toMatchObject({
    cut: { bytes: limit, sha256: sha256(bytes) },
    headers: { a: 'b' },
  });
});

test('an event near the limit whose handler fails leaves the beginning of its payload, whatever else is large', async () => {
  const letters: NewEvent[] = [];
  const transport = await start(letters);
  const payload = 'x'.repeat(limit - 1000);
  const metadata = { small: 1, large: 'y'.repeat(2000) };
  const event = createEvent({ topic: 't', payload, key: 'k', metadata });
  let settled = 0;
  const acknowledgement = { settled: () => void settled++, release: () => true };
  transport.receiver('t').deliver(event, acknowledgement);
  await turn();
  await expect.poll(() => settled).toBe(1);
  expect(letters).toMatchObject([{ id: event.id, topic: '_dead.t', key: 'k' }]);
  const json = JSON.stringify(payload);
  expect(letters[0]?.payload).toBe(json.slice(0, 8192));
  expect(letters[0]?.metadata?.[deadLetterKey]).toMatchObject({ cut: { bytes: json.length } });
  expect(letters[0]?.metadata).not.toHaveProperty('large');
});
