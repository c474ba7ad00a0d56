import type { Redis } from 'ioredis';
import { isReply, withoutArguments } from '../errors.ts';
import { Deadlines } from './command-deadlines.ts';

interface PendingCommand {
  isSent: boolean;
  /** When the command was given, by `performance.now()`. */
  readonly since: number;
  /** By `performance.now()`. */
  deadline: number;
  readonly timeoutMs: number;
  /** Whether the deadline stays, although data arrives. */
  readonly isStrict: boolean;
  /** How many bytes had arrived when the command was sent, or when its deadline was extended. */
  received: number;
  readonly command: (client: Redis) => Promise<unknown>;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
}

/** What pending commands need of their connection. */
export interface PendingCommandsOptions {
  readonly client: Redis;
  /** How many bytes have arrived from the server; always 0 if that says nothing about a single command. */
  readonly received: () => number;
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

  /**
   * @param canSend - Whether the connection takes commands. Otherwise the command waits for `sendWaiting`.
   * @param isStrict - Whether the command fails after this time even if data arrives.
   */
  run<T>(
    command: (client: Redis) => Promise<T>,
    timeoutMs: number,
    canSend: boolean,
    isStrict: boolean,
  ): Promise<T> {
    // Without `Promise.race`, for speed: each read and each acknowledgement passes here.
    return new Promise((resolve, reject) => {
      const since = performance.now();
      const deadline = since + timeoutMs;
      const pending: PendingCommand = {
        isSent: false,
        since,
        deadline,
        timeoutMs,
        isStrict,
        received: 0,
        command,
        resolve,
        reject,
      };
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

  /**
   * A command is not late while data arrives: a large answer can take longer than the deadline over a slow network, and the same
   * command would only ask for the same answer again.
   */
  #extend(pending: PendingCommand, now: number): void {
    const received = this.#options.received();
    if (!pending.isSent || pending.isStrict || received <= pending.received) return;
    pending.received = received;
    pending.deadline = now + pending.timeoutMs;
  }

  #send(pending: PendingCommand): void {
    pending.isSent = true;
    pending.received = this.#options.received();
    pending.command(this.#options.client).then(
      (answer) => {
        this.#remove(pending);
        this.#options.onAnswer(pending.since);
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
      if (pending.deadline <= now) this.#extend(pending, now);
      if (pending.deadline <= now) this.#fail(pending, new Error(`no answer in ${pending.timeoutMs} ms`));
      else next = Math.min(next, pending.deadline);
    }
    return next;
  }
}
