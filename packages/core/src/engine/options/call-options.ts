import type {
  PublishOptions,
  StartOptions,
  StopOptions,
  SubscribeBatchOptions,
  SubscribeOptions,
} from '../../contract/bus.ts';
import { longestTimerMs } from '../../contract/timer-limit.ts';
import { InvalidOptionError, UnknownOptionError } from '../../errors/errors.ts';
import { suggestion } from '../../errors/suggest.ts';

/** The names of all options of a call. The compiler reports an option that is missing here. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

export const signalName: OptionNames<StartOptions> = { signal: true };

/** The options of `publish`. */
export const publishNames: OptionNames<PublishOptions> = { ...signalName, delayMs: true, at: true };

type Call = 'publish' | 'subscribe' | 'subscribeBatch' | 'start' | 'stop' | 'drain';

const subscribeNames = {
  ...signalName,
  group: true,
  tenant: true,
  from: true,
  retry: true,
  deadLetter: true,
  handlerTimeoutMs: true,
  bufferSize: true,
} satisfies OptionNames<Omit<SubscribeOptions, 'concurrency'>>;

/** The options of the calls that every `EventBus` has, and of `drain` and `subscribeBatch`. */
const optionNames = {
  publish: publishNames,
  subscribe: { ...subscribeNames, concurrency: true } satisfies OptionNames<SubscribeOptions>,
  subscribeBatch: {
    ...subscribeNames,
    maxSize: true,
    maxWaitMs: true,
  } satisfies OptionNames<SubscribeBatchOptions>,
  start: signalName,
  stop: { ...signalName, timeoutMs: true } satisfies OptionNames<StopOptions>,
  drain: { ...signalName, timeoutMs: true } satisfies OptionNames<StopOptions>,
} satisfies Record<Call, object>;

/**
 * Checks that a call of an event bus got only options that it has. A misspelt option would otherwise be ignored.
 *
 * @throws {@link UnknownOptionError}, {@link InvalidOptionError}
 */
export function assertOptionsOf(call: Call, options: object | undefined): void {
  if (options !== undefined) assertOptionNames(call, options, optionNames[call]);
}

/**
 * Checks that options have only the given names.
 *
 * @param call - For the message.
 * @param path - The path of the options within the options of the call, such as `retry.`.
 * @throws {@link UnknownOptionError}, {@link InvalidOptionError}
 */
export function assertOptionNames(call: string, options: object, names: object, path = ''): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new InvalidOptionError(path === '' ? 'options' : path.slice(0, -1), options, 'an object');
  for (const name in options) {
    if (Object.hasOwn(names, name) || (options as Record<string, unknown>)[name] === undefined) continue;
    throw new UnknownOptionError(path + name, call, suggestion(name, Object.keys(names), 'options'));
  }
}

const groupGrammar = /^[A-Za-z0-9._-]{1,200}$/;

/** @throws {@link InvalidOptionError} */
export function assertGroup(group: unknown): void {
  if (typeof group === 'string' && groupGrammar.test(group)) return;
  throw new InvalidOptionError('group', group, '1 to 200 letters, digits, ".", "_" or "-"');
}

/**
 * Validates an option in milliseconds that a timer waits for.
 *
 * @param least - `0` if 0 is allowed, too. Default: more than 0.
 * @throws {@link InvalidOptionError} if it is not a number in this range, or too large for a timer.
 */
export function timerMs(option: string, value: unknown, least?: 0): number {
  if (typeof value === 'number' && (value > 0 || value === least) && value <= longestTimerMs) return value;
  const range = least === undefined ? 'more than 0 and' : '0 or more, and';
  throw new InvalidOptionError(option, value, `milliseconds, ${range} at most ${longestTimerMs}`);
}

/**
 * Validates an option that counts something.
 *
 * @throws {@link InvalidOptionError} if it is not a whole number of at least 1.
 */
export function count(option: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) return value;
  throw new InvalidOptionError(option, value, 'a whole number of at least 1');
}

/**
 * Validates the timeout of `stop`, in milliseconds, and sets its default.
 *
 * @throws {@link InvalidOptionError} if it is invalid.
 */
export function resolveStopTimeout(timeoutMs: number | undefined): number {
  return timeoutMs === undefined ? 30_000 : timerMs('timeoutMs', timeoutMs, 0);
}

/**
 * Asserts that the options of `stop` or `drain` are valid, before anything stops.
 *
 * @returns The timeout in milliseconds.
 * @throws {@link UnknownOptionError}, {@link InvalidOptionError}
 */
export function assertStopOptions(call: 'stop' | 'drain', options: StopOptions = {}): number {
  assertOptionsOf(call, options);
  assertSignal(options.signal);
  return resolveStopTimeout(options.timeoutMs);
}

/**
 * Asserts that the option `signal` is an AbortSignal or undefined.
 *
 * @throws {@link InvalidOptionError} if it is not.
 */
export function assertSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new InvalidOptionError('signal', signal, 'an AbortSignal');
}
