import { UnsupportedCapabilityError } from '../errors/errors.ts';

/** The features of an engine. They never change, and they alone decide which conformance cases an engine must pass. */
export interface Capabilities {
  /** The broker keeps events: an event is not lost if the process dies while handling it. */
  readonly durable: boolean;
  /** Supports the option `group`: subscriptions that share events. */
  readonly groups: boolean;
  /** Supports the option `from` with `'earliest'` and a Date. */
  readonly replay: boolean;
  /** The broker itself orders events by partition key. */
  readonly partitioned: boolean;
  /** Events reach subscriptions in other processes. */
  readonly crossProcess: boolean;
  /** Supports the options `delayMs` and `at` of `publish`. An engine that does not set it refuses them. */
  readonly delay?: boolean | undefined;
}

/** The capabilities of an engine, and how errors name it. */
export interface CapableEngine {
  readonly name: string;
  readonly type: string;
  readonly capabilities: Capabilities;
}

/** The engines of this project that have a capability, for the error that names them. In parentheses: the option that gives it to them. */
const enginesWith: Readonly<Record<keyof Capabilities, readonly string[]>> = {
  durable: ['redis (mode "streams")', 'kafka', 'kinesis (checkpointStore of a type other than "memory")'],
  groups: ['memory', 'durable-memory', 'redis (mode "streams")', 'kafka', 'kinesis (checkpointStore)'],
  replay: ['memory', 'durable-memory', 'redis (mode "streams")', 'kafka', 'kinesis'],
  partitioned: ['kafka', 'kinesis'],
  crossProcess: ['redis', 'kafka', 'kinesis'],
  delay: ['memory', 'durable-memory', 'redis (mode "streams")', 'kafka'],
};

/**
 * Asserts that an engine has the capability that an option needs.
 *
 * @throws {@link UnsupportedCapabilityError} if it does not.
 */
export function requireCapability(
  engine: CapableEngine,
  capability: keyof Capabilities,
  option: string,
): void {
  if (engine.capabilities[capability] === true) return;
  const able = enginesWith[capability];
  const inParentheses = able
    .find((one) => one.startsWith(`${engine.type} (`))
    ?.slice(engine.type.length + 2, -1);
  throw new UnsupportedCapabilityError(option, capability, engine.name, able, inParentheses);
}

/** Returns the capabilities that every one of several engines has. */
export function commonCapabilities(all: readonly Capabilities[]): Capabilities {
  const every = (capability: keyof Capabilities): boolean =>
    all.every((capabilities) => capabilities[capability] === true);
  return Object.freeze({
    durable: every('durable'),
    groups: every('groups'),
    replay: every('replay'),
    partitioned: every('partitioned'),
    crossProcess: every('crossProcess'),
    delay: every('delay'),
  });
}
