import type { DisturbanceKind } from '../ledger/entries.ts';
import { now } from '../ledger/clock.ts';
import type { LedgerWriter } from '../ledger/ledger-file.ts';
import type { Command } from '../process/settings.ts';
import type { FaultKind } from '../schedule/faults.ts';
import type { Fault } from '../schedule/schedule.ts';
import type { ChaosBroker } from './broker.ts';
import type { Fleet } from './fleet.ts';
import type { Program } from './program.ts';

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const hourMs = 60 * 60 * 1000;

/** Carries out the faults of a schedule, and writes to the ledger of the runner what they disturbed and when. */
export class Injector {
  readonly #fleet: Fleet;
  readonly #broker: ChaosBroker | undefined;
  readonly #ledger: LedgerWriter;
  readonly #names: { readonly prefix: string; readonly topics: readonly string[] };
  /** The faults of the broker and the network happen one after the other. */
  #brokerIsFree = Promise.resolve();

  constructor(
    fleet: Fleet,
    broker: ChaosBroker | undefined,
    ledger: LedgerWriter,
    names: { readonly prefix: string; readonly topics: readonly string[] },
  ) {
    this.#fleet = fleet;
    this.#broker = broker;
    this.#ledger = ledger;
    this.#names = names;
  }

  /** Resolves when the fault is over: with false if there was nothing that it could happen to. */
  inject(fault: Fault): Promise<boolean> {
    return this.#actions[fault.kind](fault);
  }

  readonly #actions: Readonly<Record<FaultKind, (fault: Fault) => Promise<boolean>>> = {
    'kill-consumer': (fault) => this.#replace(fault, (one) => this.#kill(one)),
    'kill-producer': (fault) => this.#replace(fault, (one) => this.#kill(one)),
    'terminate-consumer': (fault) => this.#replace(fault, (one) => this.#terminate(one)),
    'terminate-producer': (fault) => this.#replace(fault, (one) => this.#terminate(one)),
    'freeze-consumer': (fault) => this.#with(fault, (one) => this.#freeze(one, fault.forMs)),
    'freeze-producer': (fault) => this.#with(fault, (one) => this.#freeze(one, fault.forMs)),
    join: ({ forMs }) => this.#join(forMs),
    leave: (fault) => this.#command(fault, { do: 'leave', forMs: fault.forMs }),
    throw: (fault) => this.#command(fault, { do: 'handlers', mood: 'throw', forMs: fault.forMs }),
    hang: (fault) => this.#command(fault, { do: 'handlers', mood: 'hang', forMs: fault.forMs }),
    slow: (fault) => this.#command(fault, { do: 'handlers', mood: 'slow', forMs: fault.forMs }),
    'stall-loop': (fault) => this.#command(fault, { do: 'stall', forMs: fault.forMs }),
    'set-clock': ({ target, forMs }) => this.#setClock(target % 2 === 0 ? hourMs : -hourMs, forMs),
    'restart-broker': () => this.#atBroker('broker', (broker) => broker.restart()),
    'kill-broker': ({ forMs }) =>
      this.#during(
        'broker',
        forMs,
        (broker) => broker.kill(),
        (broker) => broker.restart(),
      ),
    'pause-broker': ({ forMs }) =>
      this.#during(
        'broker',
        forMs,
        (broker) => broker.pause(),
        (broker) => broker.resume(),
      ),
    'reset-connections': () => this.#atBroker('network', async (broker) => broker.reset()),
    'stall-connections': ({ forMs }) =>
      this.#during(
        'network',
        forMs,
        async (broker) => broker.stallConnections(true),
        async (broker) => broker.stallConnections(false),
      ),
    'refuse-connections': ({ forMs }) =>
      this.#during(
        'network',
        forMs,
        async (broker) => broker.refuseConnections(true),
        async (broker) => broker.refuseConnections(false),
      ),
    'full-redis': ({ forMs }) =>
      this.#during(
        'full',
        forMs,
        (broker) => broker.setFull(true),
        (broker) => broker.setFull(false),
      ),
    'add-partitions': () =>
      this.#atBroker('partitions-added', (broker) => broker.addPartitions(this.#names.topics)),
    reshard: () => this.#atBroker('resharded', (broker) => broker.reshard(this.#names.prefix)),
  };

  async #with({ target, kind }: Fault, run: (one: Program) => Promise<void>): Promise<boolean> {
    const one = this.#fleet.idle(target, kind.endsWith('producer') ? 'producer' : 'consumer', 'all');
    if (one === undefined) return false;
    one.isBusy = true;
    await run(one);
    one.isBusy = false;
    return true;
  }

  #command(fault: Fault, command: Command): Promise<boolean> {
    return this.#with(fault, async (one) => {
      one.send(command);
      await delay(fault.forMs);
    });
  }

  /** Ends a process, and starts another a while later. */
  #replace(fault: Fault, end: (one: Program) => Promise<void>): Promise<boolean> {
    return this.#with(fault, async (one) => {
      await end(one);
      await delay(fault.forMs);
      await this.#fleet.start(one.settings.role).ready;
    });
  }

  async #join(forMs: number): Promise<boolean> {
    const member = this.#fleet.start('consumer');
    await member.ready;
    await delay(forMs);
    // Another fault may have happened to it.
    if (!member.isBusy) await this.#fleet.end(member);
    return true;
  }

  #terminate(one: Program): Promise<void> {
    return this.#disturb('ended', () => this.#fleet.end(one), one);
  }

  async #kill(one: Program): Promise<void> {
    const from = now();
    one.signal('SIGKILL');
    this.#note('killed', from, from, one);
    await one.ended;
  }

  async #freeze(one: Program, forMs: number): Promise<void> {
    await this.#disturb(
      'frozen',
      async () => {
        one.signal('SIGSTOP');
        await delay(forMs);
        one.signal('SIGCONT');
      },
      one,
    );
  }

  async #setClock(byMs: number, forMs: number): Promise<boolean> {
    for (const one of this.#fleet.all) one.send({ do: 'clock', byMs });
    await delay(forMs);
    for (const one of this.#fleet.all) one.send({ do: 'clock', byMs: 0 });
    return true;
  }

  #during(
    how: DisturbanceKind,
    forMs: number,
    begin: (broker: ChaosBroker) => Promise<void>,
    end: (broker: ChaosBroker) => Promise<void>,
  ): Promise<boolean> {
    return this.#atBroker(how, async (broker) => {
      await begin(broker);
      await delay(forMs);
      await end(broker);
    });
  }

  async #atBroker(how: DisturbanceKind, run: (broker: ChaosBroker) => Promise<void>): Promise<boolean> {
    const broker = this.#broker;
    if (broker === undefined) return false;
    const done = this.#brokerIsFree.then(() => this.#disturb(how, () => run(broker)));
    this.#brokerIsFree = done.catch(() => {});
    await done;
    return true;
  }

  async #disturb(how: DisturbanceKind, run: () => Promise<void>, one?: Program): Promise<void> {
    const from = now();
    try {
      await run();
    } finally {
      this.#note(how, from, now(), one);
    }
  }

  #note(how: DisturbanceKind, from: number, until: number, one?: Program): void {
    const whose = one === undefined ? {} : { process: one.name };
    this.#ledger.write({ is: 'disturbed', how, from, until, ...whose });
  }
}
