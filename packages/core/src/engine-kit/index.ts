/** For engine authors: what engines for different brokers have in common. */
export { countdown } from './countdown.ts';
export { backoffMs } from './backoff.ts';
export { onAbort } from './on-abort.ts';
export { orAborted, settlesWithin } from './or-aborted.ts';
