import { type Event, InvalidOptionError, type Logger, PolybusError } from '@polybus/core';
import { type OptionNames, assertOptionNames, count, orAborted, timerMs } from '@polybus/core/engine-kit';
import { type PatternHandler, assertHandler } from '../pattern-handler.ts';
import { Circuit, type CircuitState } from './circuit.ts';

/** Options of {@link circuitBreaker}. */
export interface CircuitBreakerOptions {
  /**
   * After so many failures in a row, the circuit opens: the subscription is paused. Choose fewer than `retry.attempts` of the
   * subscription, so that the circuit opens before an event has used up its attempts. Default 3.
   */
  readonly failures?: number | undefined;
  /** How long the circuit stays open before the dependency is tried again, in milliseconds. Default 30 000. */
  readonly resetMs?: number | undefined;
  /**
   * Asks the dependency whether it works again, for example with `SELECT 1`. The circuit closes when the returned promise resolves; if it
   * rejects, or does not settle within `resetMs`, the circuit stays open for another `resetMs`. Default: the next event is the probe,
   * and uses one of its attempts if it fails.
   */
  readonly probe?: ((signal: AbortSignal) => unknown) | undefined;
  /**
   * Returns true for an error that says that the dependency fails, and false for an error of the event. Default: true for all errors but
   * `UnrecoverableError` and `SchemaValidationError`.
   */
  readonly isFailure?: ((error: unknown) => boolean) | undefined;
  /** Called with each new state, for metrics. */
  readonly onChange?: ((state: CircuitState) => void) | undefined;
  /** Gets a warning when the circuit opens. Default: the console. */
  readonly logger?: Pick<Logger, 'warn'> | undefined;
}

const optionNames: OptionNames<CircuitBreakerOptions> = {
  failures: true,
  resetMs: true,
  probe: true,
  isFailure: true,
  onChange: true,
  logger: true,
};

/**
 * Returns a handler that pauses its subscription while its dependency fails. Events then wait: they are neither handled nor failed, and
 * use no attempts. After `resetMs`, `probe` or the next event decides whether the subscription continues.
 *
 * The failures that open the circuit count as attempts of their events, and so does a failure of the event that is tried. The circuit
 * belongs to the returned handler in this process. It resumes only subscriptions that it has paused itself.
 *
 * @throws {@link InvalidOptionError}, {@link UnknownOptionError} or {@link HandlerRequiredError} if an argument is invalid.
 */
export function circuitBreaker<E extends Event, Result>(
  handler: PatternHandler<E, Result>,
  options: CircuitBreakerOptions = {},
): PatternHandler<E, Promise<Awaited<Result>>> {
  assertHandler(handler, 'circuitBreaker');
  assertOptionNames('circuitBreaker', options, optionNames);
  const { probe, isFailure = isOfDependency, onChange, logger = console } = options;
  for (const [name, value] of Object.entries({ probe, isFailure, onChange })) {
    if (value !== undefined && typeof value !== 'function')
      throw new InvalidOptionError(name, value, 'a function');
  }
  const circuit = new Circuit({
    failures: count('failures', options.failures ?? 3),
    resetMs: timerMs('resetMs', options.resetMs ?? 30_000),
    probe,
    onChange,
    logger,
  });
  return async (event, context): Promise<Awaited<Result>> => {
    const call = await circuit.enter(context.subscription, context.signal);
    try {
      // An attempt that times out is a failure, although its handler may never settle.
      const result = await orAborted(Promise.resolve(handler(event, context)), context.signal);
      circuit.succeeded(call);
      return result;
    } catch (error) {
      let isOutage = true;
      try {
        isOutage = isFailure(error);
      } finally {
        // Also if isFailure throws: other events may wait for the outcome of this call.
        if (isOutage) circuit.failed(call, error);
        else circuit.succeeded(call);
      }
      throw error;
    }
  };
}

/** The codes of errors that say that the event is wrong. */
const ofEvent: readonly unknown[] = ['UNRECOVERABLE', 'SCHEMA_VALIDATION'];

function isOfDependency(error: unknown): boolean {
  return !(PolybusError.is(error) && ofEvent.includes(error.code));
}
