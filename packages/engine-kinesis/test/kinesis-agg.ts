import { createRequire } from 'node:module';
import agg from 'aws-kinesis-agg';

const require = createRequire(createRequire(import.meta.url).resolve('aws-kinesis-agg'));
const protobuf = require('protobufjs') as { util: { Long: unknown }; configure(): void };
const long = require('long') as { readonly default?: unknown };
// vitest applies the condition `import` to `require` too, so the library would get a module namespace instead of its export.
protobuf.util.Long = long.default ?? long;
protobuf.configure();

/** A record as a producer makes it with the library of AWS. */
export async function aggregate(
  records: readonly { readonly partitionKey: string; readonly data: Buffer }[],
): Promise<{ readonly data: Buffer; readonly partitionKey: string }> {
  return new Promise((resolve, reject) => {
    agg.aggregate(records as never, resolve, () => {}, reject);
  });
}

/** Reads a record with the library of AWS, as a consumer does. */
export function deaggregate(data: Uint8Array, partitionKey: string, sequenceNumber: string): Buffer[] {
  const record = { data: Buffer.from(data).toString('base64'), partitionKey, sequenceNumber };
  let found: readonly { readonly data: string }[] = [];
  agg.deaggregateSync(record, true, (error: Error | null, records) => {
    if (error) throw error;
    found = records ?? [];
  });
  return found.map((one) => Buffer.from(one.data, 'base64'));
}
