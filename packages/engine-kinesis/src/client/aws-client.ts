import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { AwsAddress, Credentials } from '../options/config.ts';

/** The settings of the clients that the engine creates. */
export interface AwsClientSettings {
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: Credentials;
  readonly requestHandler: NodeHttpHandler;
}

/** Returns the settings of a client. What is not set is what the SDK finds. */
export function awsClientSettings(
  { endpoint, region, credentials }: AwsAddress,
  timeoutMs: number,
): AwsClientSettings {
  const found = process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'];
  // A server other than AWS ignores the region, but the SDK requires it.
  const chosen = region ?? (endpoint === undefined || found !== undefined ? undefined : 'us-east-1');
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(chosen === undefined ? {} : { region: chosen }),
    ...(credentials === undefined ? {} : { credentials }),
    // HTTP/1.1: the SDK's default, HTTP/2, fails at random against the local servers. It also puts every call on one connection, so a
    // half-open connection would block all of them.
    requestHandler: new NodeHttpHandler({ connectionTimeout: timeoutMs }),
  };
}
