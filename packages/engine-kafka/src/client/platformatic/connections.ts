import { settlesWithin } from '@polybus/core/engine-kit';
import { KafkaFailure } from '../failure.ts';
import type { Broker, Connections, Coordinator, GroupTimes, Metadata } from '../protocol/broker.ts';
import { conclusive, firstAnswerOf, lateMs } from '../protocol/first-answer.ts';
import { topicExists } from '../protocol/topic-exists.ts';
import { PlatformaticBroker, lenient } from './broker.ts';
import type { Codecs } from './codecs.ts';
import { type Address, BrokerConnection, type ConnectionOptions } from './connection.ts';
import { PlatformaticCoordinator } from './coordinator.ts';
import type { Package } from './package.ts';

type MetadataAnswer = ReturnType<Package['metadataV9']['parseResponse']>;

const ofGroups = 0;

interface Pair {
  readonly asking: BrokerConnection;
  readonly fetching: BrokerConnection;
}

/** Connections of `@platformatic/kafka`. Two to each broker: a fetch would hold up other answers. */
export class PlatformaticConnections implements Connections {
  seen: Metadata | undefined;
  readonly #package: Package;
  readonly #codecs: Codecs;
  readonly #seeds: readonly Address[];
  readonly #options: ConnectionOptions;
  readonly #answerMs: number;
  readonly #onClose: () => void;
  /** By `host:port`. */
  readonly #pairs = new Map<string, Pair>();
  #addresses: ReadonlyMap<number, Address> = new Map();
  /** Brokers that have not answered in time, by `host:port`. Others are asked first until they do. */
  readonly #late = new Set<string>();
  #isClosed = false;
  #asked = 0;
  #answered = 0;

  constructor(
    from: Package,
    codecs: Codecs,
    brokers: readonly string[],
    options: ConnectionOptions,
    answerMs: number,
    onClose: () => void,
  ) {
    this.#package = from;
    this.#codecs = codecs;
    this.#seeds = brokers.map(addressOf);
    this.#options = options;
    this.#answerMs = answerMs;
    this.#onClose = onClose;
  }

  async connect(): Promise<void> {
    await this.look();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#onClose();
    for (const key of this.#pairs.keys()) this.#end(key, 'the engine has closed the connection');
  }

  #end(key: string, reason: string): void {
    const pair = this.#pairs.get(key);
    this.#pairs.delete(key);
    this.#late.delete(key);
    const error = new KafkaFailure('passing', reason, undefined);
    pair?.asking.end(error);
    pair?.fetching.end(error);
  }

  ids(): readonly number[] {
    const all = [...this.#addresses];
    const soon = all.filter(([, address]) => !this.#late.has(keyOf(address)));
    return (soon.length > 0 ? soon : all).map(([id]) => id);
  }

  async broker(id: number): Promise<Broker> {
    const { asking, fetching } = this.#pairOf(await this.#addressOf(id));
    return new PlatformaticBroker(id, this.#package, this.#codecs, asking, fetching);
  }

  async coordinator(groupId: string, times: GroupTimes): Promise<Coordinator> {
    const { findCoordinatorV4 } = this.#package;
    const { coordinators } = await firstAnswerOf(this.ids(), async (id) => {
      const { asking } = this.#pairOf(await this.#addressOf(id));
      return asking.ask(findCoordinatorV4, ofGroups as never, [groupId]);
    });
    const { asking } = this.#pairOf(await this.#addressOf(coordinators[0]!.nodeId));
    return new PlatformaticCoordinator(this.#package, asking, groupId, times);
  }

  async #addressOf(id: number): Promise<Address> {
    if (!this.#addresses.has(id)) await this.look();
    const address = this.#addresses.get(id);
    if (address === undefined) throw new KafkaFailure('passing', `there is no broker ${id}`, undefined);
    return address;
  }

  #pairOf(address: Address): Pair {
    if (this.#isClosed) throw new KafkaFailure('passing', 'the connections are closed', undefined);
    const key = keyOf(address);
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      const connect = (): BrokerConnection =>
        new BrokerConnection(this.#package, this.#options, address, this.#answerMs);
      pair = { asking: connect(), fetching: connect() };
      this.#pairs.set(key, pair);
    }
    return pair;
  }

  async look(): Promise<Metadata> {
    const turn = ++this.#asked;
    const answer = await this.#firstAnswer();
    if (turn > this.#answered) {
      this.#answered = turn;
      this.#see(answer);
    }
    return this.seen!;
  }

  /** Asks brokers in turn. The next one is asked if one fails, or does not answer soon. */
  async #firstAnswer(): Promise<MetadataAnswer> {
    const asked: Promise<{ readonly value: Promise<MetadataAnswer> }>[] = [];
    for (const address of this.#candidates()) {
      const answer = this.#ask(address);
      asked.push(conclusive(answer));
      const first = Promise.any(asked);
      if (await settlesWithin(first, lateMs)) {
        const settled = await first.catch(() => undefined);
        if (settled !== undefined) return settled.value;
      } else {
        const key = keyOf(address);
        this.#late.add(key);
        const end = (): unknown => this.#late.delete(key);
        answer.then(end, end);
      }
    }
    return (await Promise.any(asked)).value;
  }

  /** The brokers of the cluster in any order, and then the configured brokers. Brokers that are late come last. */
  #candidates(): readonly Address[] {
    const known = [...this.#addresses.values()].sort(() => Math.random() - 0.5);
    const seeds = [...this.#seeds].sort(() => Math.random() - 0.5);
    const all = new Map([...known, ...seeds].map((one) => [keyOf(one), one]));
    const isLate = (one: Address): number => Number(this.#late.has(keyOf(one)));
    return [...all.values()].sort((a, b) => isLate(a) - isLate(b));
  }

  async #ask(address: Address): Promise<MetadataAnswer> {
    const { metadataV9 } = this.#package;
    const answer = await this.#pairOf(address).asking.send(
      metadataV9,
      // Without names: all topics.
      () => metadataV9.createRequest(null, false, false),
      lenient(metadataV9.parseResponse),
    );
    // A broker that has just started. Its topics are missing, too, and must not count as deleted.
    if (answer.brokers.length === 0)
      throw new KafkaFailure('passing', 'a broker does not know its cluster yet', undefined);
    return answer;
  }

  #see({ brokers, controllerId, topics }: MetadataAnswer): void {
    this.#addresses = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    const known = new Set([...this.#addresses.values()].map(keyOf));
    for (const key of this.#pairs.keys())
      if (!known.has(key)) this.#end(key, 'the broker is not in the cluster');
    const leaders = new Map<string, number[]>();
    for (const { name, errorCode, partitions } of topics) {
      if (!topicExists(errorCode)) continue;
      const ofTopic: number[] = [];
      for (const { partitionIndex, leaderId } of partitions) ofTopic[partitionIndex] = leaderId;
      leaders.set(name ?? '', ofTopic);
    }
    this.seen = { controllerId, topics: leaders };
  }
}

function addressOf(broker: string): Address {
  const at = broker.lastIndexOf(':');
  return { host: broker.slice(0, at), port: Number(broker.slice(at + 1)) };
}

function keyOf({ host, port }: Address): string {
  return `${host}:${port}`;
}
