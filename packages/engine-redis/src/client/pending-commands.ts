import type { Redis } from 'ioredis';
import { isReply, withoutArguments } from '../errors.ts';
import { Deadlines } from './command-deadlines.ts';

interface PendingCommand {
  isSent: boolean;
  /** By `performance.now()`. */
  readonly deadline: number;
  readonly timeoutMs: number;
  readonly command: (client: Redis) => Promise<unknown>;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
}

/** What pending commands need of their connection. */
export interface PendingCommandsOptions {
  readonly client: Redis;
  /** Makes the typed error for a connection that does not work. */
  readonly failure: (error: unknown) => Error;
  /** @param since - When the command was given, by `performance.now()`. */
  readonly onAnswer: (since: number) => void;
}

/** The commands of a connection that wait to be sent, or for their answer. */
export class PendingCommands {
  readonly #options: PendingCommandsOptions;
  readonly #pending = new Set<PendingCommand>();
  readonly #deadlines = new Deadlines((now) => this.#failLate(now));

  constructor(options: PendingCommandsOptions) {
    this.#options = options;
  }

  /** @param canSend - Whether the connection takes commands. Otherwise the command waits for `sendWaiting`. */
  run<T>(command: (client: Redis) => Promise<T>, timeoutMs: number, canSend: boolean): Promise<T> {
    // Without `Promise.race`, for speed: each read and each acknowledgement passes here.
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + timeoutMs;
      const pending: PendingCommand = { isSent: false, deadline, timeoutMs, command, resolve, reject };
      this.#pending.add(pending);
      this.#deadlines.watch(deadline);
      if (canSend) this.#send(pending);
    });
  }

  /** The connection works: sends the commands that waited for it. */
  sendWaiting(): void {
    for (const pending of this.#pending) if (!pending.isSent) this.#send(pending);
  }

  /** The connection was lost. Commands that were not sent continue to wait. */
  failSent(error: unknown): void {
    for (const pending of this.#pending) if (pending.isSent) this.#fail(pending, error);
  }

  failAll(error: unknown): void {
    for (const pending of this.#pending) this.#fail(pending, error);
  }

  stop(): void {
    this.#deadlines.stop();
  }

  #send(pending: PendingCommand): void {
    pending.isSent = true;
    pending.command(this.#options.client).then(
      (answer) => {
        this.#remove(pending);
        this.#options.onAnswer(pending.deadline - pending.timeoutMs);
        pending.resolve(answer as never);
      },
      (error: unknown) => this.#fail(pending, error),
    );
  }

  #fail(pending: PendingCommand, error: unknown): void {
    this.#remove(pending);
    pending.reject(isReply(error) ? withoutArguments(error) : this.#options.failure(error));
  }

  #remove(pending: PendingCommand): void {
    this.#pending.delete(pending);
    if (this.#pending.size === 0) this.#deadlines.rest();
  }

  /** Fails the commands that are late. Returns the next deadline. */
  #failLate(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const pending of this.#pending) {
      if (pending.deadline <= now) this.#fail(pending, new Error(`no answer in ${pending.timeoutMs} ms`));
      else next = Math.min(next, pending.deadline);
    }
    return next;
  }
}
