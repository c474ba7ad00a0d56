import { BrokerControlError, BrokerStartError } from './errors.ts';
import type { Machine } from './machine/machine.ts';
import type { Broker, BrokerControls, BrokerName, Connections, Provider } from './types.ts';
import { waitFor } from './wait.ts';

/** Default of `StartOptions.timeoutMs`, in milliseconds. */
export const DEFAULT_TIMEOUT_MS = 120_000;

/** How to start a broker with the provider `docker` or `local`. */
export interface BrokerPlan<N extends BrokerName> {
  readonly name: N;
  readonly provider: Exclude<Provider, 'url'>;
  readonly machine: Machine;
  readonly connection: Connections[N];
  readonly keepsData: boolean;
  readonly timeoutMs: number | undefined;
  /** Sends a request that only a ready broker answers, and returns its version. Rejects while the broker is not ready. */
  readonly probe: () => Promise<string>;
  /** When the broker was requested, by `performance.now()`. */
  readonly since: number;
}

type State = 'running' | 'paused' | 'down' | 'stopped';

/** Runs the controls of a broker one after the other and refuses those that its state does not allow. */
class Controls implements BrokerControls {
  readonly controllable: boolean = true;
  readonly keepsData: boolean;
  readonly #name: BrokerName;
  readonly #machine: Machine;
  readonly #ready: () => Promise<unknown>;
  #state: State = 'running';
  #last: Promise<void> = Promise.resolve();

  constructor(name: BrokerName, machine: Machine, keepsData: boolean, ready: () => Promise<unknown>) {
    this.#name = name;
    this.#machine = machine;
    this.keepsData = keepsData;
    this.#ready = ready;
  }

  restart(): Promise<void> {
    return this.#next(async () => {
      this.#refuse('restart', 'stopped');
      if (this.#state === 'paused') await this.#machine.resume();
      if (this.#state !== 'down') await this.#machine.end().finally(() => (this.#state = 'down'));
      await this.#machine.start();
      this.#state = 'running';
      await this.#ready();
    });
  }

  pause(): Promise<void> {
    return this.#next(async () => {
      this.#refuse('pause', 'stopped', 'down');
      await this.#unlessEnded('pause', () => this.#machine.pause());
      this.#state = 'paused';
    });
  }

  resume(): Promise<void> {
    return this.#next(async () => {
      this.#refuse('resume', 'stopped', 'down');
      await this.#unlessEnded('resume', () => this.#machine.resume());
      this.#state = 'running';
    });
  }

  kill(): Promise<void> {
    return this.#next(async () => {
      this.#refuse('kill', 'stopped');
      await this.#machine.kill();
      this.#state = 'down';
    });
  }

  stop(): Promise<void> {
    return this.#next(async () => {
      if (this.#state === 'stopped') return;
      await this.#machine.dispose();
      this.#state = 'stopped';
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #refuse(control: string, ...states: State[]): void {
    if (!states.includes(this.#state)) return;
    throw new BrokerControlError(`cannot ${control} this ${this.#name} broker: it is ${this.#state}`);
  }

  /** Runs a control. It is refused if the broker has ended by itself, before the control or while it runs. */
  async #unlessEnded(control: string, run: () => Promise<void>): Promise<void> {
    await this.#refuseEnded(control);
    try {
      await run();
    } catch (error) {
      await this.#refuseEnded(control);
      throw error;
    }
  }

  /** Throws if the broker has ended although no control has ended it. */
  async #refuseEnded(control: string): Promise<void> {
    const ending = await this.#machine.ending();
    if (ending === undefined) return;
    throw new BrokerControlError(
      `cannot ${control} this ${this.#name} broker: it ended by itself (${ending})`,
    );
  }

  #next(step: () => Promise<void>): Promise<void> {
    const done = this.#last.then(step);
    // A failure is reported to the caller of that control. The next control, above all `stop`, runs anyway.
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** Returns the controls as own properties, so that a broker can be destructured. */
function bound(controls: BrokerControls): BrokerControls {
  return {
    controllable: controls.controllable,
    keepsData: controls.keepsData,
    restart: () => controls.restart(),
    pause: () => controls.pause(),
    resume: () => controls.resume(),
    kill: () => controls.kill(),
    stop: () => controls.stop(),
    [Symbol.asyncDispose]: () => controls.stop(),
  };
}

/**
 * Starts the broker of a plan and waits until it answers. If that fails, everything that was started is removed.
 *
 * @throws BrokerStartError with the end of the broker's log, if the broker ends by itself or does not answer in time
 */
export async function startBroker<N extends BrokerName>(plan: BrokerPlan<N>): Promise<Broker<N>> {
  const { name, machine, timeoutMs = DEFAULT_TIMEOUT_MS } = plan;
  const failed = async (error: unknown): Promise<BrokerStartError> => {
    const reason = error instanceof Error ? error.message : String(error);
    return new BrokerStartError(name, reason, await machine.log(), { cause: error });
  };
  const ready = async (): Promise<string> => {
    try {
      return await waitFor(`${name} to answer`, plan.probe, {
        timeoutMs,
        giveUp: async () => {
          const ending = await machine.ending();
          return ending === undefined ? undefined : new Error(ending);
        },
      });
    } catch (error) {
      throw await failed(error);
    }
  };
  try {
    await machine.start().catch(async (error: unknown) => {
      throw await failed(error);
    });
    const version = await ready();
    const controls = new Controls(name, machine, plan.keepsData, ready);
    const info = {
      name,
      provider: plan.provider,
      version,
      startupMs: Math.round(performance.now() - plan.since),
    };
    return { ...plan.connection, ...info, ...bound(controls) };
  } catch (error) {
    await machine.dispose();
    throw error;
  }
}

/** How long a broker given by address may take to answer, in milliseconds; it may have just been started. */
const FOREIGN_TIMEOUT_MS = 15_000;

/** The address of a broker that the testbed did not start, from an environment variable. */
export interface ForeignBroker<N extends BrokerName> {
  readonly name: N;
  /** The environment variable. */
  readonly variable: string;
  readonly connection: Connections[N];
  readonly timeoutMs: number | undefined;
  readonly probe: () => Promise<string>;
  readonly since: number;
}

/**
 * Uses a broker at an address from the environment. The testbed does not control it.
 *
 * @throws Error if it does not answer
 */
export async function useForeignBroker<N extends BrokerName>(foreign: ForeignBroker<N>): Promise<Broker<N>> {
  const { name, variable, connection, timeoutMs = FOREIGN_TIMEOUT_MS, since } = foreign;
  let version: string;
  try {
    version = await waitFor(`${name} to answer`, foreign.probe, { timeoutMs, intervalMs: 200 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${variable} is set, but no ${name} answers there: ${reason}`, { cause: error });
  }
  const refuse = (control: string) => (): Promise<void> =>
    Promise.reject(
      new BrokerControlError(
        `cannot ${control} this ${name} broker: it was given by address, and the testbed controls only brokers that it starts`,
      ),
    );
  const info = { name, provider: 'url' as const, version, startupMs: Math.round(performance.now() - since) };
  const stop = (): Promise<void> => Promise.resolve();
  const controls: BrokerControls = {
    controllable: false,
    keepsData: true,
    restart: refuse('restart'),
    pause: refuse('pause'),
    resume: refuse('resume'),
    kill: refuse('kill'),
    stop,
    [Symbol.asyncDispose]: stop,
  };
  return { ...connection, ...info, ...controls };
}
