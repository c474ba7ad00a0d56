import { PolybusError } from '@polybus/core';

/** What a requester learns about the error of a reply handler: never its stack, its cause or its fields. */
export interface RequestFailure {
  readonly name: string;
  readonly message: string;
  /** The code of the error, if it has one. */
  readonly code?: string | undefined;
}

/** The handler of a request failed, or its result could not be sent. */
export class RequestFailedError extends PolybusError {
  readonly failure: RequestFailure;

  constructor(topic: string, failure: RequestFailure) {
    super(
      'REQUEST_FAILED',
      `The handler of the request to "${topic}" failed: ${failure.name}: ${failure.message}`,
      {
        topic,
      },
    );
    this.failure = failure;
  }
}

/** No reply came in time. The request may have been handled, or may still be. */
export class RequestTimeoutError extends PolybusError {
  constructor(topic: string, timeoutMs: number) {
    super(
      'REQUEST_TIMEOUT',
      `No reply to the request to "${topic}" came within ${timeoutMs} ms. Check that a process has called ` +
        `reply("${topic}", handler), and that its handler ends in time.`,
      { topic },
    );
  }
}

/** `close` was called before the reply came. */
export class RequestsClosedError extends PolybusError {
  constructor(topic: string) {
    super(
      'REQUESTS_CLOSED',
      `The request to "${topic}" ends without a reply: close() was called. Create new requests with createRequests(bus).`,
      { topic },
    );
  }
}
