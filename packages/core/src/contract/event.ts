/** An event as a handler receives it. Treat it and its payload as immutable: on some engines handlers share them. */
export interface Event<T = unknown> {
  /** UUIDv7 unless the publisher gave one; stable over retries and in the dead-letter topic. */
  readonly id: string;
  readonly topic: string;
  readonly payload: T;
  /** Any JSON beside the payload; an empty object where the publisher gave none. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Partition key: events of one key are handled in the order they were published. */
  readonly key?: string | undefined;
  /** When it was published, unless the publisher gave another time. */
  readonly createdAt: Date;
  /** When this delivery's handler began; set on the event that a handler receives. */
  readonly processingStarted?: Date | undefined;
  /** When this delivery's handler settled; undefined until then. */
  readonly processingCompleted?: Date | undefined;
}

/** What a publisher gives. */
export interface NewEvent<T = unknown> {
  readonly topic: string;
  /** Any JSON value, `undefined`, or a top-level `Uint8Array` for binary data. */
  readonly payload: T;
  /** Default: a new UUIDv7. */
  readonly id?: string | undefined;
  /** Partition key, 1 to 256 characters. Default: none. */
  readonly key?: string | undefined;
  /** Any JSON object. Default: `{}`. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** Default: now. */
  readonly createdAt?: Date | undefined;
}

/** An event that has been checked and completed; layers that see one do not check it again. */
export class PublishedEvent<T = unknown> implements Event<T> {
  readonly id: string;
  readonly topic: string;
  readonly payload: T;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly key: string | undefined;
  readonly createdAt: Date;

  constructor(
    id: string,
    topic: string,
    payload: T,
    metadata: Readonly<Record<string, unknown>>,
    key: string | undefined,
    createdAt: Date,
  ) {
    this.id = id;
    this.topic = topic;
    this.payload = payload;
    this.metadata = metadata;
    this.key = key;
    this.createdAt = createdAt;
  }
}
