import * as v from 'valibot';
import { expect, test } from 'vitest';
import { atLeastOne, strict, validateConfig } from '../../src/engine-kit/index.ts';
import { parseConfig } from '../../src/index.ts';

test('the error for a missing field says which value is required', () => {
  const schema = strict({ shards: atLeastOne, tls: strict({ ca: v.string('a certificate') }) });
  expect(() => validateConfig(schema, { tls: {} }, 'kinesis')).toThrow(
    expect.objectContaining({
      problems: [
        { path: 'kinesis.shards', message: 'is required: expected a whole number of at least 1' },
        { path: 'kinesis.tls.ca', message: 'is required: expected a certificate' },
      ],
    }),
  );
});

test('the error for a routing rule without an engine says the same', () => {
  expect(() => parseConfig({ routing: [{ topics: ['*'] } as never] })).toThrow(
    'routing[0].engine: is required: expected text',
  );
});
