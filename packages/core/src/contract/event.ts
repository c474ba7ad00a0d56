/** An event as a handler gets it. Do not change it or its payload: on some engines handlers share them. */
export interface Event<T = unknown> {
  /** A UUIDv7, unless the publisher set another id. The same for every attempt and in the dead letter. */
  readonly id: string;
  readonly topic: string;
  readonly payload: T;
  /** A JSON object next to the payload; empty if the publisher set none. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The partition key. Events of one key are handled in publish order. */
  readonly key?: string | undefined;
  /** When the event was published, unless the publisher set another time. */
  readonly createdAt: Date;
  /** When the handler of this delivery started. Set on the event that a handler gets. */
  readonly processingStarted?: Date | undefined;
  /** When the handler of this delivery settled; undefined until then. */
  readonly processingCompleted?: Date | undefined;
}

/** An event to publish. */
export interface NewEvent<T = unknown> {
  readonly topic: string;
  /** Any JSON value, `undefined`, or a top-level `Uint8Array` for binary data. */
  readonly payload: T;
  /** The id of the event, 1 to 256 characters. Default: a new UUIDv7. */
  readonly id?: string | undefined;
  /** The partition key, 1 to 256 characters. Events of one key are handled in publish order. Default: none. */
  readonly key?: string | undefined;
  /** A JSON object next to the payload. Default: `{}`. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** The time of the event. Default: now. */
  readonly createdAt?: Date | undefined;
}

/** A validated event with all defaults set. Later layers do not validate it again. */
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
