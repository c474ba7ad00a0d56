import { createRequire } from 'node:module';

interface RequestQueue {
  pending: readonly unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: unknown;
  checkPendingRequests(): void;
}

interface RequestQueueClass {
  readonly prototype: RequestQueue & { scheduleCheckPendingRequests?: (this: RequestQueue) => void };
}

/** As in kafkajs. */
const checkIntervalMs = 10;

let isMended = false;

/**
 * After each answer kafkajs 2.2.4 schedules a look at the requests that wait, also where none does, and then with a negative
 * time: Node 24 warns of it (tulios/kafkajs#1751), and each connection wakes up every millisecond for ever
 * (tulios/kafkajs#1704). The fix that is proposed there, tulios/kafkajs#1768, is made here, since kafkajs has no maintainer to
 * release it: there is nothing to schedule where no request waits.
 *
 * It changes the class that the process has loaded, once; no file, and no other warning.
 */
export function mendRequestTimers(): void {
  if (isMended) return;
  isMended = true;
  const queue = requestQueueClass();
  if (typeof queue?.prototype.scheduleCheckPendingRequests !== 'function') return;
  queue.prototype.scheduleCheckPendingRequests = function () {
    if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
    const throttledFor = this.throttledUntil - Date.now();
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null;
        this.checkPendingRequests();
      },
      throttledFor > 0 ? throttledFor : checkIntervalMs,
    );
  };
}

/** Undefined where another version of kafkajs has its files elsewhere. */
function requestQueueClass(): RequestQueueClass | undefined {
  try {
    return createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as RequestQueueClass;
  } catch {
    return undefined;
  }
}
