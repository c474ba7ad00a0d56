import type { KinesisConnection } from '../types.ts';

/** How long one attempt may take, in milliseconds. */
const ATTEMPT_MS = 5_000;

/** How to reach an emulator at an endpoint. It takes any credentials, but wants some. */
export function kinesisConnection(endpoint: string): KinesisConnection {
  return {
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'testbed', secretAccessKey: 'testbed' },
  };
}

/**
 * Asks a Kinesis endpoint for its streams.
 *
 * @throws Error when it cannot be reached or refuses
 */
export async function probeKinesis({ endpoint, region, credentials }: KinesisConnection): Promise<void> {
  // By hand: loading the SDK takes longer than the emulator takes to start. Emulators read the scope of a signature to
  // find the service, and do not check the signature itself.
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
  const scope = `${credentials.accessKeyId}/${day}/${region}/kinesis/aws4_request`;
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'Kinesis_20131202.ListStreams',
      'x-amz-date': `${day}T000000Z`,
      authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`,
    },
    body: '{}',
    signal: AbortSignal.timeout(ATTEMPT_MS),
  }).catch((error: unknown) => {
    // Not as a cause: vitest cannot print an error whose cause is a DOMException, as a time-out's is.
    throw new Error(`no answer from ${endpoint}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const body = await response.text();
  if (!response.ok) throw new Error(`it answered ${String(response.status)}: ${body.slice(0, 200)}`);
}

/** The version of the LocalStack at an endpoint; undefined where it is something else. */
export async function localstackVersion(endpoint: string): Promise<string | undefined> {
  try {
    const url = new URL('/_localstack/health', endpoint);
    const response = await fetch(url, { signal: AbortSignal.timeout(ATTEMPT_MS) });
    if (!response.ok) return undefined;
    const health: unknown = await response.json();
    if (typeof health !== 'object' || health === null || !('version' in health)) return undefined;
    return typeof health.version === 'string' ? `LocalStack ${health.version}` : undefined;
  } catch {
    return undefined;
  }
}
