import { type Event, InvalidEventError, PublishError } from '@polybus/core';
import { encodeStructured } from '@polybus/core/cloudevents';
import {
  type Engine,
  type ListenRequest,
  type Listener,
  type Receiver,
  type Transport,
  createEngine,
} from '@polybus/core/engine';
import type { BrokerControl, ConformanceOptions, EngineUnderTest } from '../../src/index.ts';
import { turns } from '../../src/support/eventually.ts';
import type { Faults } from './faults.ts';
import { LogBroker } from './log-broker.ts';
import type { LogGroup, Member } from './log-group.ts';

/** An engine with every capability and a broker in this process, on which the suite's cases for real brokers are tested. */
export function logEngines(faults: Faults = {}): { factory: EngineUnderTest; options: ConformanceOptions } {
  const brokers = new Map<string, LogBroker>();
  const brokerOf = (id: string): LogBroker => {
    let broker = brokers.get(id);
    if (broker === undefined) brokers.set(id, (broker = new LogBroker(faults)));
    return broker;
  };
  const onAll = async (work: (broker: LogBroker) => Promise<void>): Promise<void> => {
    await Promise.all([...brokers.values()].map(work));
  };
  const broker: BrokerControl = {
    restart: () => onAll((one) => one.restart()),
    pause: () => onAll(async (one) => one.pause()),
    resume: () => onAll(async (one) => one.resume()),
  };
  return {
    factory: ({ id, stallLimitMs, leaseMs }) => logEngine(brokerOf(id), faults, stallLimitMs, leaseMs),
    options: {
      broker,
      produce: (topic, bytes) => onAll(async (one) => one.append(topic, undefined, bytes)),
      cleanup: ({ id }) => void brokers.delete(id),
    },
  };
}

function logEngine(broker: LogBroker, faults: Faults, stallLimitMs: number, leaseMs = 30_000): Engine {
  return createEngine({
    type: 'log',
    capabilities: { durable: true, groups: true, replay: true, partitioned: true, crossProcess: true },
    open: (context) => LogTransport.open(broker, faults, leaseMs, context.signal),
    defaults: { stallLimitMs },
  });
}

class LogTransport implements Transport {
  readonly #broker: LogBroker;
  readonly #faults: Faults;
  readonly #leaseMs: number;
  readonly #closing = new AbortController();

  private constructor(broker: LogBroker, faults: Faults, leaseMs: number) {
    this.#broker = broker;
    this.#leaseMs = leaseMs;
    this.#faults = faults;
  }

  static async open(
    broker: LogBroker,
    faults: Faults,
    leaseMs: number,
    signal: AbortSignal,
  ): Promise<LogTransport> {
    await turns(1);
    await broker.whenUp(signal);
    return new LogTransport(broker, faults, leaseMs);
  }

  async close(): Promise<void> {
    if (this.#faults.closesOnlyWhileUp === true) await this.#broker.whenUp(new AbortController().signal);
    this.#closing.abort();
  }

  async send(event: Event): Promise<void> {
    const bytes = new TextEncoder().encode(encodeStructured(event, { source: 'conformance' }));
    if (this.#faults.acceptsBeforeItIsWritten === true) {
      void turns(5).then(
        () => this.#closing.signal.aborted || this.#broker.append(event.topic, event.key, bytes),
      );
      return;
    }
    if (this.#faults.losesWhatIsSentInOutage === true && !this.#broker.isUp) return;
    const never = new AbortController().signal;
    await this.#broker
      .whenUp(this.#faults.hangsInOutage === true ? never : this.#closing.signal)
      .catch((cause: unknown) => {
        throw new PublishError('The broker cannot be reached. Try again when it is back.', {
          topic: event.topic,
          cause,
        });
      });
    if (this.#faults.limitsWhatItSends === true && (event.id.length > 256 || (event.key?.length ?? 0) > 256))
      throw new InvalidEventError('id or key', 'has more than 256 characters');
    if (this.#faults.hidesItsLimit === true && bytes.length > 1024 * 1024) throw new Error('too large');
    if (this.#faults.hangsInOutage === true && this.#broker.hadOutage) await new Promise(() => {});
    const topic = this.#faults.keepsAmongTheDead === true ? event.topic.replace(/^_kept\./, '') : event.topic;
    this.#broker.append(topic, event.key, bytes);
    await turns(1);
  }

  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const member: Member = { request, receiver, isClosed: false };
    let group: LogGroup | undefined;
    const join = (): void => void (group = this.#broker.join(member));
    if (this.#faults.isReadyLate === true) void turns(4).then(join);
    else join();
    await turns(1);
    const renewing = request.group === undefined ? undefined : this.#keepLease(receiver);
    return {
      stop: async () => {
        clearInterval(renewing);
        if (group !== undefined) this.#broker.leave(member, group);
      },
    };
  }

  /** Returns whether the last renewal of the lease is recent enough. */
  #keepLease(receiver: Receiver): NodeJS.Timeout {
    let aliveAt = performance.now();
    if (this.#faults.goesOnAfterAGap !== true)
      receiver.mayBegin = () => performance.now() - aliveAt < this.#leaseMs;
    return setInterval(() => {
      aliveAt = performance.now();
      receiver.run();
    }, this.#leaseMs / 10);
  }

  async ping(): Promise<void> {
    if (!this.#broker.isUp) throw new Error('the broker does not answer');
  }
}
