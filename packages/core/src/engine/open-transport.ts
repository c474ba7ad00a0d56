import type { EngineHost } from '../contract/engine.ts';
import type { OpenTransport, Transport, TransportContext } from '../contract/transport.ts';
import { orAborted, settlesWithin } from '../engine-kit/or-aborted.ts';

/** How long a start that is given up waits for what it has opened to close, in milliseconds. */
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

/** Closes a transport. If that fails, it logs why. */
export async function closeTransport(
  transport: Transport,
  { name, logger }: Pick<EngineHost, 'name' | 'logger'>,
): Promise<void> {
  try {
    await transport.close();
  } catch (error) {
    logger.warn('the engine did not close cleanly', { engine: name, error });
  }
}
