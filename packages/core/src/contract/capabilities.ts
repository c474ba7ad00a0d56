import type { Capabilities } from './contract.ts';
import { UnsupportedCapabilityError } from '../errors/errors.ts';

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
