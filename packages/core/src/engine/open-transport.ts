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

/**
 * Stops a listener. If that fails or takes longer than the limit, it logs why.
 *
 * @returns False if it took longer than the limit.
 */
export function stopListener(
  listener: Listener,
  topic: string,
  { name, logger }: Pick<EngineHost, 'name' | 'logger'>,
): Promise<boolean> {
  const fields = { engine: name, topic };
  return endWithin(() => listener.stop(), {
    failed: (error) => logger.warn('a subscription did not end cleanly', { ...fields, error }),
    hung: () => logger.warn('a subscription did not end in time', { ...fields, limitMs: endLimitMs }),
  });
}

/** @returns False if it took longer than the limit. It then continues, and may still fail. */
async function endWithin(
  end: () => Promise<void>,
  { failed, hung }: { failed: (error: unknown) => void; hung: () => void },
): Promise<boolean> {
  // Begins at once, also if the transport throws instead of rejecting.
  const ended = (async () => end())().catch(failed);
  const isEnded = await settlesWithin(ended, endLimitMs);
  if (!isEnded) hung();
  return isEnded;
}
