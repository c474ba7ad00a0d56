import type { EventHandler, SubscribeOptions, Subscription } from '../contract/bus.ts';
import { assertOptionsOf } from '../engine/options/call-options.ts';
import { onAbort } from '../engine-kit/on-abort.ts';
import { InvalidOptionError } from '../errors/errors.ts';
import { EventStream } from './event-stream.ts';

/** The event streams of a bus that have not ended. */
export class EventStreams {
  readonly #streams = new Set<EventStream>();

  open(
    subscribe: (handler: EventHandler<never>, options: SubscribeOptions) => Promise<Subscription>,
    options: SubscribeOptions,
  ): EventStream {
    let unlink: (() => void) | undefined;
    const stream = new EventStream(
      async (handler) => {
        assertOptionsOf('subscribe', options);
        const { concurrency = 1 } = options;
        if (concurrency !== 1)
          throw new InvalidOptionError(
            'concurrency',
            concurrency,
            '1 or nothing: a stream delivers one event at a time',
          );
        return subscribe(handler, { ...options, concurrency });
      },
      () => {
        this.#streams.delete(stream);
        unlink?.();
      },
    );
    this.#streams.add(stream);
    // Without this a loop would wait for events of a cancelled subscription. `subscribe` refuses an invalid signal.
    const { signal } = options ?? {};
    if (signal instanceof AbortSignal) unlink = onAbort(signal, () => stream.end());
    return stream;
  }

  /** Ends the streams that nobody reads. A loop continues while it has events. */
  endUnread(): void {
    for (const stream of this.#streams) if (!stream.isRead) stream.end();
  }

  endAll(): void {
    for (const stream of this.#streams) stream.end();
  }
}
