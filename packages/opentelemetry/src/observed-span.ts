import { type Attributes, type Context, type Span, SpanStatusCode, context, trace } from '@opentelemetry/api';
import { isReleaseError } from '@polybus/core/engine';
import { attribute, errorTypeOf, ownAttribute } from './conventions.ts';

/** Called once when the span has ended, with its duration and the attributes of a failure. */
export type OnEnd = (durationMs: number, failure: Attributes) => void;

/**
 * Runs a function in a span and ends the span with its result. If the signal aborts first, because the handler exceeded its timeout,
 * the span ends then: a hanging handler must not keep its span open.
 */
export async function runAsSpan<T>(
  span: Span,
  parent: Context,
  run: () => Promise<T>,
  onEnd: OnEnd,
  signal?: AbortSignal,
): Promise<T> {
  const startedAt = performance.now();
  let hasEnded = false;
  const end = (failure: Attributes): void => {
    if (hasEnded) return;
    hasEnded = true;
    signal?.removeEventListener('abort', aborted);
    span.end();
    onEnd(performance.now() - startedAt, failure);
  };
  const failed = (error: unknown): void => end(hasEnded ? {} : mark(span, error));
  const aborted = (): void => failed(signal?.reason);
  signal?.addEventListener('abort', aborted, { once: true });
  try {
    const result = await context.with(trace.setSpan(parent, span), run);
    end({});
    return result;
  } catch (error) {
    failed(error);
    throw error;
  }
}

/** Marks a span as failed. An attempt that released its event has not failed. */
function mark(span: Span, error: unknown): Attributes {
  if (isReleaseError(error)) {
    span.setAttribute(ownAttribute.released, true);
    return {};
  }
  const errorType = errorTypeOf(error);
  span.setAttribute(attribute.errorType, errorType);
  const message = error instanceof Error ? error.message : undefined;
  span.setStatus({ code: SpanStatusCode.ERROR, ...(message === undefined ? {} : { message }) });
  if (error instanceof Error) span.recordException(error);
  return { [attribute.errorType]: errorType };
}
