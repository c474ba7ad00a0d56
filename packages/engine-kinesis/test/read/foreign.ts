import { DeleteStreamCommand, KinesisClient, PutRecordCommand } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { type KinesisBroker, type KinesisConnection, startKinesis } from '@polybus/testbed';
import { afterAll } from 'vitest';

export { quick } from '../quick.ts';

/** A separate server, which the suite can restart. It ends with the suite. */
export async function ownKinesis(): Promise<KinesisBroker> {
  const quick = { CREATE_STREAM_DURATION: '1ms', DELETE_STREAM_DURATION: '1ms' };
  const broker = await startKinesis({ controllable: true, env: quick });
  afterAll(() => broker.stop());
  return broker;
}

/** A plain client of the SDK; it ends with the suite. */
export function plainClient({ endpoint, region, credentials }: KinesisConnection): KinesisClient {
  const requestHandler = new NodeHttpHandler({ requestTimeout: 20_000 });
  const client = new KinesisClient({ endpoint, region, credentials: { ...credentials }, requestHandler });
  afterAll(() => client.destroy());
  return client;
}

/** The fields of an engine's configuration for the address of the broker. */
export function addressOf({ endpoint, region, credentials }: KinesisConnection) {
  return { endpoint, region, ...credentials };
}

/** Writes as a producer would that knows nothing of polybus, to the stream that the suite's topics begin with. */
export function producer(connection: KinesisConnection) {
  const client = plainClient(connection);
  return {
    put: async (topic: string, bytes: Uint8Array): Promise<void> => {
      const [StreamName] = topic.split('.');
      await client.send(new PutRecordCommand({ StreamName, PartitionKey: 'foreign', Data: bytes }));
    },
    removeStream: async ({ id }: { readonly id: string }): Promise<void> => {
      // A start that was given up may have left none.
      await client.send(new DeleteStreamCommand({ StreamName: id })).catch((error: Error) => {
        if (error.name !== 'ResourceNotFoundException') throw error;
      });
    },
  };
}
