import { createEventBus } from '@polybus/core';
import { createEngine } from '@polybus/core/engine';
import type { Option, OptionCall } from './option-calls.ts';

/** What a call does with an option. */
export interface Probed {
  /** The class of the error for an invalid value. */
  readonly error: string;
  /** The valid values, if the error names them. */
  readonly expected: string | undefined;
  /** The capability that some value of the option needs. */
  readonly capability: string | undefined;
}

type AnyCall = (...given: unknown[]) => Promise<unknown>;

const parameterValues: Readonly<Record<string, unknown>> = {
  topic: 'probe',
  payload: {},
  handler: () => {},
};

/**
 * Calls a bus with an invalid value of an option, and with valid values on an engine without capabilities.
 *
 * @throws if the call accepts any value of the option.
 */
export async function probe(call: OptionCall, option: Option, all: readonly Option[]): Promise<Probed> {
  const required = all.filter(({ path, isOptional }) => path.length === 1 && !isOptional);
  const base = Object.fromEntries(required.map(({ path, types }) => [path[0], sample(types[0]!)]));
  const name = option.path.join('.');
  const error = await errorOf(call, { ...base, ...nested(option.path, Symbol('invalid')) });
  if (error === undefined) throw new Error(`${call.name} accepts any value of the option ${name}`);
  const expected = /^Invalid option \S+: expected (.*), got /s.exec(error.message)?.[1];
  let capability: string | undefined;
  for (const type of option.types) {
    const refusal = await errorOf(call, { ...base, ...nested(option.path, sample(type)) });
    if (refusal?.name === 'UnsupportedCapabilityError' && refusal.option === option.path[0])
      capability = /capability "(\w+)"/.exec(refusal.message)?.[1];
  }
  return { error: error.name, expected, capability };
}

async function errorOf(
  call: OptionCall,
  options: object,
): Promise<(Error & { option?: string }) | undefined> {
  const engine = createEngine({
    type: 'probed',
    capabilities: { durable: false, groups: false, replay: false, partitioned: false, crossProcess: false },
    open: async () => ({
      close: async () => {},
      send: () => {},
      listen: async () => ({ stop: async () => {} }),
    }),
  });
  const bus = createEventBus({ engines: [{ name: 'probed', engine }] });
  if (call.name !== 'start') await bus.start();
  const given = call.parameters.map((parameter) => parameterValues[parameter]);
  const method = bus[call.name as keyof typeof bus] as unknown as AnyCall;
  try {
    const result = method.call(bus, ...given, options) as Promise<unknown> | { ready: Promise<void> };
    await ('ready' in result ? result.ready : result);
    return undefined;
  } catch (error) {
    return error as Error;
  } finally {
    await bus.stop();
  }
}

function nested([first, ...rest]: readonly string[], value: unknown): object {
  return { [first!]: rest.length === 0 ? value : nested(rest, value) };
}

/** A valid value of a type. */
function sample(type: string): unknown {
  if (type === 'number') return 1;
  if (type === 'boolean' || type === 'true') return true;
  if (type === 'false') return false;
  if (type === 'string') return 'probe';
  if (type === 'Date') return new Date(Date.now() + 3_600_000);
  if (type === 'AbortSignal') return new AbortController().signal;
  if (type.includes('=>')) return () => true;
  if (type.startsWith("'")) return type.slice(1, -1);
  return {};
}
