interface RequestQueue {
  pending: readonly unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: unknown;
  checkPendingRequests(): void;
}

/** What kafkajs's types leave out of a broker. */
interface AnyBroker {
  readonly connectionPool?: { readonly pool?: readonly { readonly requestQueue?: RequestQueue }[] };
}

type RequestQueuePrototype = RequestQueue & { scheduleCheckPendingRequests?: (this: RequestQueue) => void };

/** As in kafkajs. */
const checkIntervalMs = 10;

const mended = new WeakSet<RequestQueuePrototype>();

/**
 * After each answer kafkajs 2.2.4 schedules a look at the requests that wait, also where none does, and then with a negative
 * time: Node 24 warns of it (tulios/kafkajs#1751), and each connection wakes up every millisecond for ever
 * (tulios/kafkajs#1704). The fix that is proposed there, tulios/kafkajs#1768, is made here, since kafkajs has no maintainer to
 * release it: there is nothing to schedule where no request waits.
 *
 * It changes the class of these connections, once; no file, and no other warning. By the connections, since a `Kafka` that was
 * given may be of another copy of kafkajs than ours.
 */
export function mendRequestTimers(broker: unknown): void {
  for (const { requestQueue } of (broker as AnyBroker).connectionPool?.pool ?? []) {
    if (requestQueue !== undefined) mend(Object.getPrototypeOf(requestQueue) as RequestQueuePrototype);
  }
}

function mend(queue: RequestQueuePrototype): void {
  // Another version of kafkajs may have it elsewhere.
  if (mended.has(queue) || typeof queue.scheduleCheckPendingRequests !== 'function') return;
  mended.add(queue);
  queue.scheduleCheckPendingRequests = function () {
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
