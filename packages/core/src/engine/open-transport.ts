import type { EngineHost } from '../contract/engine.ts';
import type { Listener, OpenTransport, Transport, TransportContext } from '../contract/transport.ts';
import { orAborted, settlesWithin } from '../engine-kit/or-aborted.ts';

/** How long an aborted start waits for its transport to close, in milliseconds. */
const givenUpMs = 1000;

/** Opens a transport, or rejects as soon as the signal of the context aborts. */
export async function openTransport(open: OpenTransport, context: TransportContext): Promise<Transport> {
  const { signal } = context;
  const opening = open(context);
  try {
    return await orAborted(opening, signal);
  } catch (error) {
    // A broker that does not answer must not hold up the caller, and a transport that opens after all must not stay open.
    const closed = opening.then(
      (transport) => closeTransport(transport, context),
      () => {},
    );
    if (signal.aborted) await settlesWithin(closed, givenUpMs);
    throw error;
  }
}

/** How long core waits for a subscription or a connection to end before it continues without it, in milliseconds. */
const endLimitMs = 10_000;

/** Closes a transport. If that fails or takes longer than the limit, it logs why. */
export async function closeTransport(
  transport: Transport,
  { name, logger }: Pick<EngineHost, 'name' | 'logger'>,
): Promise<void> {
  await endWithin(() => transport.close(), {
    failed: (error) => logger.warn('the engine did not close cleanly', { engine: name, error }),
    hung: () => logger.warn('the engine did not close in time', { engine: name, limitMs: endLimitMs }),
  });
}

/** Stops a listener. If that fails or takes longer than the limit, it logs why. */
export function stopListener(
  listener: Listener,
  topic: string,
  { name, logger }: Pick<EngineHost, 'name' | 'logger'>,
  onHung: () => void,
): Promise<void> {
  const fields = { engine: name, topic };
  return endWithin(() => listener.stop(), {
    failed: (error) => logger.warn('a subscription did not end cleanly', { ...fields, error }),
    hung: () => {
      onHung();
      logger.warn('a subscription did not end in time', { ...fields, limitMs: endLimitMs });
    },
  });
}

/**
 * Resolves when the end has settled, or at the limit; the end then continues, and may still fail. It resolves without further
 * microtasks in between, because a subscription that is cancelled must not start its waiting events meanwhile.
 */
function endWithin(
  end: () => Promise<void>,
  { failed, hung }: { failed: (error: unknown) => void; hung: () => void },
): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve();
      hung();
    }, endLimitMs);
    const settled = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const rejected = (error: unknown): void => {
      settled();
      failed(error);
    };
    try {
      void end().then(settled, rejected);
    } catch (error) {
      rejected(error);
    }
  });
}
