import type { KinesisConnection } from '../types.ts';

/** How long one attempt may take, in milliseconds. */
const ATTEMPT_MS = 5_000;

/** How to reach an emulator at an endpoint. It requires credentials and accepts any. */
export function kinesisConnection(endpoint: string): KinesisConnection {
  return {
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'testbed', secretAccessKey: 'testbed' },
  };
}

/**
 * Lists the streams of a Kinesis endpoint.
 *
 * @throws Error if it cannot be reached or refuses
 */
export async function probeKinesis({ endpoint, region, credentials }: KinesisConnection): Promise<void> {
  // Without the SDK, which takes longer to load than the emulator takes to start. Emulators read the service from the scope of a
  // signature, and do not check the signature itself.
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
    // Without the cause: vitest cannot print an error whose cause is a DOMException, such as a timeout.
    throw new Error(`no answer from ${endpoint}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const body = await response.text();
  if (!response.ok) throw new Error(`it answered ${String(response.status)}: ${body.slice(0, 200)}`);
}

/** The version of LocalStack at an endpoint; undefined if the endpoint is not LocalStack. */
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
