import { backoffMs, pause } from '@polybus/core/engine-kit';
import { KafkaFailure, isFailure } from '../client/failure.ts';
import type { PartitionsByTopic } from '../client/kafka-client.ts';
import { messageOf } from '../errors.ts';
import type { Beginning, StartOffsets, StartPoints } from './start-offsets.ts';

/** How long the lookup of a topic may delay the other topics of an assignment. */
const lateMs = 1000;
const timeoutMs = 30_000;
const initialBackoffMs = 100;
const maxBackoffMs = 2000;

export interface StartOwner {
  readonly beginningOf: (topic: string) => Beginning;
  readonly started: (points: StartPoints) => void;
}

/**
 * Looks up where the member begins in partitions that were assigned to it. A topic that Kafka cannot answer for is tried again and
 * does not keep the group from reading the others.
 */
export class StartLookups {
  readonly #offsets: StartOffsets;
  readonly #owner: StartOwner;
  readonly #closing: AbortSignal;
  /** Topics that are assigned and not read yet, with the last failure. */
  #failures: ReadonlyMap<string, KafkaFailure> = new Map();
  /** The assignment whose topics are tried again. */
  #assignment = {};

  constructor(offsets: StartOffsets, owner: StartOwner, closing: AbortSignal) {
    this.#offsets = offsets;
    this.#owner = owner;
    this.#closing = closing;
  }

  get failures(): ReadonlyMap<string, KafkaFailure> {
    return this.#failures;
  }

  /** The partitions may move to other members: no start is looked up until the next assignment. */
  end(): void {
    this.#assignment = {};
    this.#failures = new Map();
  }

  /** Resolves when all partitions have begun whose topics Kafka answers for soon. */
  async begin(partitions: PartitionsByTopic): Promise<void> {
    this.end();
    const assignment = this.#assignment;
    const points = await this.#offsets.start(partitions, this.#owner.beginningOf, lateMs);
    this.#failures = points.failures;
    this.#owner.started(points);
    if (points.failures.size > 0) void this.#tryAgain(partitions, assignment);
  }

  async #tryAgain(partitions: PartitionsByTopic, assignment: object): Promise<void> {
    const isWanted = (): boolean => this.#assignment === assignment && !this.#closing.aborted;
    for (let failures = 1; isWanted() && this.#failures.size > 0; failures++) {
      await pause(backoffMs(failures, initialBackoffMs, maxBackoffMs), this.#closing).catch(() => {});
      if (!isWanted()) return;
      const left = new Map([...partitions].filter(([topic]) => this.#failures.has(topic)));
      try {
        const points = await this.#offsets.start(left, this.#owner.beginningOf, timeoutMs, isWanted);
        if (!isWanted()) return;
        this.#failures = points.failures;
        this.#owner.started(points);
      } catch (error) {
        if (!isWanted()) return;
        const failure = isFailure(error) ? error : new KafkaFailure('passing', messageOf(error), error);
        this.#failures = new Map([...left.keys()].map((topic) => [topic, failure]));
      }
    }
  }
}
