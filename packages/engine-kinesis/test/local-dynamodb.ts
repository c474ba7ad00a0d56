import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import dynalite from 'dynalite';
import { afterAll } from 'vitest';

/** The endpoint of a DynamoDB on loopback, which ends with the file's tests. */
export async function localEndpoint(): Promise<string> {
  const server: Server = dynalite({ createTableMs: 0 });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterAll(() => {
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A client of a DynamoDB on loopback. Both end with the file's tests. */
export async function localDynamoDB(): Promise<DynamoDBClient> {
  const client = new DynamoDBClient({
    endpoint: await localEndpoint(),
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    requestHandler: new NodeHttpHandler(),
  });
  afterAll(() => client.destroy());
  return client;
}
