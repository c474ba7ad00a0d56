import type { EngineHost } from '../../contract/engine.ts';
import type { PublishedEvent } from '../../contract/event.ts';
import type { Logger } from '../../contract/observing.ts';
import type { RawRecord } from '../../contract/transport.ts';
import {
  type Failure,
  createDeadLetter,
  createRawDeadLetter,
  deadLetterTopic,
  isDeadLetterTopic,
} from '../../dead-letters/dead-letter.ts';
import { adaptedLogger } from '../../logging/adapted-logger.ts';
import { BurstLog } from '../../logging/logger.ts';
import { runInWork } from '../current-work.ts';
import type { Delivery } from '../delivery.ts';

/** The subscription whose dead letters are written. */
export interface FailedSubscription {
  readonly id: string;
  readonly topic: string;
  readonly group: string | undefined;
  /** A topic; true for the default topic of each event; false to log and count. */
  readonly deadLetter: string | boolean;
}

/** Writes the dead letters of one subscription. */
export class DeadLetterWriter {
  readonly #host: EngineHost;
  readonly #logger: Logger;
  readonly #subscription: FailedSubscription;
  readonly #publish: (letter: PublishedEvent) => Promise<void>;
  readonly #failures: BurstLog;

  /** @param publish - Publishes a dead letter; cuts it if it is too large for its broker. */
  constructor(
    host: EngineHost,
    subscription: FailedSubscription,
    publish: (letter: PublishedEvent) => Promise<void>,
  ) {
    this.#host = host;
    this.#logger = adaptedLogger(host.logger);
    this.#subscription = subscription;
    this.#publish = publish;
    const { id, topic, group } = subscription;
    this.#failures = new BurstLog((count, fields) =>
      this.#logger.error(`${count} dead letter(s) could not be written; each write is retried`, {
        engine: host.name,
        subscription: id,
        topic,
        ...(group === undefined ? {} : { group }),
        ...fields,
      }),
    );
  }

  /** The topic of the dead letters of events of a topic; undefined if such events are to be discarded. */
  topicFor(topic: string): string | undefined {
    const { deadLetter } = this.#subscription;
    if (deadLetter === false) return undefined;
    // A dead letter whose handler fails stays in its topic: dead letters of dead letters would never end.
    if (deadLetter === true) return isDeadLetterTopic(topic) ? undefined : deadLetterTopic(topic);
    return deadLetter === topic ? undefined : deadLetter;
  }

  /** Writes the dead letter of an event whose attempts are used up; rejects if it could not be written. */
  write(delivery: Delivery, error: unknown, topic: string): Promise<void> {
    const { attempt: attempts, failures } = delivery;
    const failure = this.#failure(attempts, error, failures!.first, failures!.last);
    delivery.isWritingDeadLetter = true;
    // In the context of the delivery: a publish that waits for handlers then does not wait for handlers that wait for this delivery.
    const writing = runInWork(delivery, () => this.#write(createDeadLetter(delivery.source, topic, failure)));
    const written = (): void => void (delivery.isWritingDeadLetter = false);
    void writing.then(written, written);
    return writing;
  }

  /**
   * Hands a record that is not an event to `onUndecodable`, or writes its dead letter. Rejects if that failed.
   *
   * @returns true if a dead letter was written.
   */
  async writeUndecodable(record: RawRecord): Promise<boolean> {
    const topic = this.topicFor(record.topic);
    const { onUndecodable } = this.#host;
    if (onUndecodable !== undefined) {
      await this.#callHook(record, onUndecodable);
      return false;
    }
    if (topic === undefined) return false;
    const now = Date.now();
    await this.#write(createRawDeadLetter(record, topic, this.#failure(0, record.error, now, now)));
    return true;
  }

  async #callHook(record: RawRecord, hook: NonNullable<EngineHost['onUndecodable']>): Promise<void> {
    try {
      await hook(record);
    } catch (error) {
      this.#logger.error(
        'onUndecodable failed; the record is not acknowledged, and onUndecodable gets it again',
        {
          engine: this.#host.name,
          topic: record.topic,
          error,
        },
      );
      throw error;
    }
  }

  async #write(letter: PublishedEvent): Promise<void> {
    try {
      await this.#publish(letter);
    } catch (error) {
      this.#failures.add({ topic: letter.topic, event: letter.id, error });
      throw error;
    }
  }

  #failure(attempts: number, error: unknown, firstFailedAt: number, lastFailedAt: number): Failure {
    const { id, group } = this.#subscription;
    return { engine: this.#host.name, group, subscription: id, attempts, error, firstFailedAt, lastFailedAt };
  }

  /** Logs failures that the limit of one line a second has held back. */
  flush(): void {
    this.#failures.flush();
  }
}
