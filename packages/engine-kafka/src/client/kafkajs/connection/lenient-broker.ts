import { topicExists } from '../../protocol/topic-exists.ts';
import { type FetchAnswer, type Response, fetchResponse } from '../fetch-response.ts';

/**
 * Answers about many partitions. kafkajs discards a whole answer if anything in it has an error, such as a partition without a
 * leader or one refused batch. Here the rest of the answer is used.
 */
export interface KafkajsMetadata {
  readonly brokers: readonly { readonly nodeId: number }[];
  readonly controllerId?: number;
  readonly topicMetadata: readonly TopicMetadata[];
}

export interface TopicMetadata {
  readonly topicErrorCode: number;
  readonly topic: string;
  /** If a partition has an error, its `leader` is `-1`. */
  readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
}

export interface Produced {
  readonly topics: readonly {
    readonly topicName: string;
    readonly partitions: readonly ProducedPartition[];
  }[];
}

export interface ProducedPartition {
  readonly partition: number;
  /** Why the batch was refused. */
  readonly error?: unknown;
}

export interface ListedOffsets {
  readonly topic: string;
  readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
}

/** A broker of kafkajs, with what its types leave out. */
export interface LenientBroker {
  readonly nodeId: number;
  lookupRequest: Lookup;
  fetch(request: unknown): Promise<FetchAnswer>;
  listOffsets(request: {
    isolationLevel: number;
    topics: readonly unknown[];
  }): Promise<{ readonly responses: readonly ListedOffsets[] }>;
  metadata(topics?: readonly string[]): Promise<KafkajsMetadata>;
  /** Undefined if `acks` requests no answer. */
  produce(request: KafkajsProduceRequest): Promise<Produced | undefined>;
  initProducerId(request: {
    transactionTimeout: number;
  }): Promise<{ readonly producerId: unknown; readonly producerEpoch: number }>;
  createTopics(request: { topics: readonly unknown[] }): Promise<unknown>;
  describeConfigs(request: { resources: readonly unknown[] }): Promise<{
    readonly resources: readonly {
      readonly configEntries: readonly { readonly configValue: string | null }[];
    }[];
  }>;
}

export interface KafkajsProduceRequest {
  readonly acks: number;
  readonly timeout: number;
  readonly compression: number;
  readonly producerId?: unknown;
  readonly producerEpoch?: number;
  readonly topicData: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly firstSequence: number;
      readonly messages: readonly unknown[];
    }[];
  }[];
}

type Parse = Response['parse'];
type Lookup = (
  apiKey: number,
  definition: unknown,
) => (args: unknown) => {
  readonly request: { readonly apiVersion: number };
  readonly response: Response;
};

const apiKeys = { produce: 0, fetch: 1, metadata: 3 };

/** Makes a broker of kafkajs return answers that have an error in a part. */
export function lenient<T>(given: T): T {
  const broker = given as LenientBroker;
  let lookup = broker.lookupRequest;
  Object.defineProperty(broker, 'lookupRequest', {
    // kafkajs sets the property for each connection.
    set: (value: Lookup) => {
      lookup = value;
    },
    get: (): Lookup => (apiKey, definition) => {
      const protocol = lookup(apiKey, definition);
      const own = responses[apiKey];
      if (own === undefined) return protocol;
      return (args) => {
        const made = protocol(args);
        return { ...made, response: own(made.response, made.request.apiVersion) };
      };
    },
  });
  return given;
}

const responses: Readonly<Record<number, (theirs: Response, version: number) => Response>> = {
  [apiKeys.fetch]: fetchResponse,
  [apiKeys.metadata]: (theirs) => ({
    ...theirs,
    parse: (data) => Promise.resolve(existingTopics(data as KafkajsMetadata)),
  }),
  [apiKeys.produce]: (theirs) => ({
    ...theirs,
    parse: (data) => withErrors(data as Produced, theirs.parse),
  }),
};

function existingTopics(data: KafkajsMetadata): KafkajsMetadata {
  const topicMetadata = data.topicMetadata.filter(({ topicErrorCode }) => topicExists(topicErrorCode));
  return { ...data, topicMetadata };
}

async function withErrors(data: Produced, strict: Parse): Promise<Produced> {
  const withError = async (topicName: string, one: ProducedPartition): Promise<ProducedPartition> => {
    try {
      // The only access to the error of a code is what kafkajs throws for it.
      await strict({ ...data, topics: [{ topicName, partitions: [one] }] });
      return one;
    } catch (error) {
      return { ...one, error };
    }
  };
  const topics = data.topics.map(async ({ topicName, partitions }) => ({
    topicName,
    partitions: await Promise.all(partitions.map((one) => withError(topicName, one))),
  }));
  return { ...data, topics: await Promise.all(topics) };
}
