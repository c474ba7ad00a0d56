import { expect, test } from 'vitest';
import { undecodable } from '../../src/engine-kit/decoded.ts';
import { UndecodableRecordError } from '../../src/errors/errors.ts';

test('a record that cannot be decoded keeps its bytes after the client has reused its buffer', () => {
  const buffer = Buffer.from('not JSON');
  const { raw } = undecodable(new UndecodableRecordError('it is not JSON'), { topic: 't', bytes: buffer });
  buffer.fill(0);
  expect(Buffer.from(raw!.bytes).toString()).toBe('not JSON');
});

test('whatever a decoder throws becomes the typed error of the record', () => {
  const { raw } = undecodable(new RangeError('too deep'), { topic: 't', bytes: new Uint8Array(), key: 'k' });
  expect(raw).toMatchObject({ topic: 't', key: 'k', error: { code: 'UNDECODABLE_RECORD' } });
  expect(raw!.error.message).toContain('too deep');
});
