import { maskUrl } from '@polybus/core/engine-kit';
import { type FailureKind, KafkaFailure } from '../failure.ts';

/** An error of kafkajs or of `@platformatic/kafka`. */
interface LibraryError {
  readonly name?: string;
  readonly message?: string;
  /** The name of Kafka's error code, in kafkajs. */
  readonly type?: string;
  /** The name of Kafka's error code, in `@platformatic/kafka`. */
  readonly apiId?: string;
  readonly code?: string | number;
  readonly cause?: LibraryError;
  readonly errors?: readonly LibraryError[];
}

/** The kinds of Kafka's error codes (Kafka protocol guide, "Error Codes"). */
const kinds: Readonly<Record<string, FailureKind>> = {
  REBALANCE_IN_PROGRESS: 'rebalance',
  UNKNOWN_MEMBER_ID: 'fenced',
  ILLEGAL_GENERATION: 'fenced',
  FENCED_INSTANCE_ID: 'fenced',
  OFFSET_OUT_OF_RANGE: 'offset',
  UNKNOWN_TOPIC_OR_PARTITION: 'unknown-topic',
  MESSAGE_TOO_LARGE: 'too-large',
  RECORD_LIST_TOO_LARGE: 'too-large',
  OFFSET_METADATA_TOO_LARGE: 'too-large',
  INVALID_COMMIT_OFFSET_SIZE: 'too-large',
  INVALID_TOPIC_EXCEPTION: 'invalid-topic',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'sequence',
  UNKNOWN_PRODUCER_ID: 'sequence',
  INVALID_PRODUCER_EPOCH: 'sequence',
  INVALID_PRODUCER_ID_MAPPING: 'sequence',
  TOPIC_AUTHORIZATION_FAILED: 'refused',
  GROUP_AUTHORIZATION_FAILED: 'refused',
  CLUSTER_AUTHORIZATION_FAILED: 'refused',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'refused',
  SASL_AUTHENTICATION_FAILED: 'refused',
  UNSUPPORTED_SASL_MECHANISM: 'refused',
  ILLEGAL_SASL_STATE: 'refused',
  INVALID_REPLICATION_FACTOR: 'lasting',
  INVALID_PARTITIONS: 'lasting',
  POLICY_VIOLATION: 'lasting',
  INVALID_SESSION_TIMEOUT: 'lasting',
  INCONSISTENT_GROUP_PROTOCOL: 'lasting',
  INVALID_GROUP_ID: 'lasting',
  UNSUPPORTED_COMPRESSION_TYPE: 'lasting',
  INVALID_REQUIRED_ACKS: 'lasting',
  INVALID_TIMESTAMP: 'invalid-record',
  INVALID_RECORD: 'invalid-record',
  UNSUPPORTED_VERSION: 'lasting',
};

/** The kinds of errors of the libraries themselves, by their names and codes. */
const kindsByName: Readonly<Record<string, FailureKind>> = {
  KafkaJSSASLAuthenticationError: 'refused',
  KafkaJSNotImplemented: 'lasting',
  KafkaJSServerDoesNotSupportApiKey: 'lasting',
  PLT_KFK_AUTHENTICATION: 'refused',
  PLT_KFK_UNSUPPORTED_COMPRESSION: 'lasting',
  TypeError: 'lasting',
  RangeError: 'lasting',
};

/** Messages of TLS errors if a certificate is refused, here or by the broker. */
const tlsRefusal = /certificate|self.signed|ERR_TLS|SSL alert|wrong version number|SSL routines/i;

/** An error of a client library as a failure of the engine's client. */
export function toFailure(error: unknown): KafkaFailure {
  const root = rootOf(error);
  if (root instanceof KafkaFailure) return root;
  return new KafkaFailure(kindOf(root), maskUrl(root.message ?? String(error)), error);
}

/** The broker has the batch from a previous attempt, whose answer was lost. */
export function isDuplicate(error: unknown): boolean {
  return codeOf(error as LibraryError) === 'DUPLICATE_SEQUENCE_NUMBER';
}

/** kafkajs wraps errors once it has given up on retries, and `@platformatic/kafka` wraps all errors. */
function rootOf(error: unknown): LibraryError {
  let root = error as LibraryError;
  for (let depth = 0; depth < 5; depth++) {
    const inner: LibraryError | null | undefined =
      root.errors?.[0] ?? (codeOf(root) === undefined ? root.cause : null);
    if (typeof inner !== 'object' || inner === null) break;
    root = inner;
  }
  return root;
}

function codeOf({ type, apiId }: LibraryError): string | undefined {
  return type ?? apiId;
}

function kindOf(error: LibraryError): FailureKind {
  const { name, message, code } = error;
  const known = kinds[codeOf(error) ?? ''] ?? kindsByName[name ?? ''] ?? kindsByName[code ?? ''];
  if (known !== undefined) return known;
  return tlsRefusal.test(`${message ?? ''} ${String(code ?? '')}`) ? 'refused' : 'passing';
}
