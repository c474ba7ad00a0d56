import * as v from 'valibot';
import { expect, test } from 'vitest';
import { atLeastOne, strict, validateConfig } from '../../src/engine-kit/index.ts';
import { parseConfig } from '../../src/index.ts';

test('a field that is missing is asked for by what it has to be', () => {
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

test('so is the engine of a routing rule', () => {
  expect(() => parseConfig({ routing: [{ topics: ['*'] } as never] })).toThrow(
    'routing[0].engine: is required: expected text',
  );
});
