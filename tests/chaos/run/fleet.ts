import type { Role } from '../ledger/entries.ts';
import type { Settings } from '../process/settings.ts';
import { Program } from './program.ts';

/** How long a process may take to end in order, in milliseconds: 30 s for a publish that gets no answer, 10 s for its handlers, and some for a busy machine. */
const endMs = 50_000;

/** All processes of a schedule, those that have ended included. */
export class Fleet {
  readonly all: Program[] = [];
  /** The processes that did not end within the time for it. */
  readonly late: string[] = [];
  readonly #common: Omit<Settings, 'role' | 'name' | 'seed'>;
  readonly #seed: number;

  constructor(common: Omit<Settings, 'role' | 'name' | 'seed'>, seed: number) {
    this.#common = common;
    this.#seed = seed;
  }

  start(role: Role): Program {
    const number = this.all.filter(({ settings }) => settings.role === role).length;
    const name = `${role}-${number}`;
    const program = new Program({ ...this.#common, role, name, seed: this.#seed * 1000 + this.all.length });
    this.all.push(program);
    return program;
  }

  /** Those of a role that have not ended. */
  running(...roles: Role[]): Program[] {
    return this.all.filter(({ settings, isOver }) => !isOver && roles.includes(settings.role));
  }

  /** One of a role to which nothing else happens; undefined if there is none. */
  idle(target: number, ...roles: Role[]): Program | undefined {
    const idle = this.running(...roles).filter(({ isBusy }) => !isBusy);
    return idle[target % Math.max(1, idle.length)];
  }

  async end(program: Program): Promise<void> {
    if ((await program.end(endMs)) === 'too late') this.late.push(program.name);
  }

  async endAll(...roles: Role[]): Promise<void> {
    await Promise.all(this.running(...roles).map((program) => this.end(program)));
  }

  /** Ends everything at once, whatever its state. */
  async killAll(): Promise<void> {
    for (const program of this.all) if (!program.isOver) program.signal('SIGKILL');
    await Promise.all(this.all.map(({ ended }) => ended));
  }
}
