import { UnsupportedCapabilityError } from '../errors/errors.ts';

/** What an engine can do. Constant over the engine's life; the conformance suite's only switch. */
export interface Capabilities {
  /** Keeps events: a process that dies in a handler loses nothing. */
  readonly durable: boolean;
  /** `group`: subscriptions that share the events. */
  readonly groups: boolean;
  /** `from: 'earliest' | Date`. */
  readonly replay: boolean;
  /** The broker itself orders events by partition key. */
  readonly partitioned: boolean;
  /** Events reach other processes. */
  readonly crossProcess: boolean;
}

/** Which of the engines that we publish have a capability, for the error that names them. */
const enginesWith: Readonly<Record<keyof Capabilities, readonly string[]>> = {
  durable: ['redis (mode "streams")', 'kafka', 'kinesis (with a shared checkpointStore)'],
  groups: ['memory', 'durable-memory', 'redis (mode "streams")', 'kafka', 'kinesis'],
  replay: ['memory', 'durable-memory', 'redis (mode "streams")', 'kafka', 'kinesis'],
  partitioned: ['kafka', 'kinesis'],
  crossProcess: ['redis', 'kafka', 'kinesis'],
};

/**
 * Refuses an option that the engine has no capability for.
 *
 * @throws {@link UnsupportedCapabilityError}
 */
export function requireCapability(
  capabilities: Capabilities,
  capability: keyof Capabilities,
  option: string,
  engine: string,
): void {
  if (!capabilities[capability]) {
    throw new UnsupportedCapabilityError(option, capability, engine, enginesWith[capability]);
  }
}

/** What several engines can do together: what each of them can. */
export function commonCapabilities(all: readonly Capabilities[]): Capabilities {
  const every = (capability: keyof Capabilities): boolean => all.every((one) => one[capability]);
  return Object.freeze({
    durable: every('durable'),
    groups: every('groups'),
    replay: every('replay'),
    partitioned: every('partitioned'),
    crossProcess: every('crossProcess'),
  });
}
