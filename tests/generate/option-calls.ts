import { type Declarations, type Member } from './declarations.ts';

/** The calls of a bus that take the same options. */
export interface OptionCalls {
  /** The name of the interface of the options. */
  readonly interface: string;
  readonly calls: readonly OptionCall[];
  readonly options: readonly Option[];
}

export interface OptionCall {
  readonly name: string;
  /** The names of the parameters before the options. */
  readonly parameters: readonly string[];
  /** What its doc comment says behind `@throws`. */
  readonly errors: readonly string[];
}

export interface Option extends Omit<Member, 'name' | 'type'> {
  /** The names from the options of the call to this option: `retry`, `attempts` for `retry.attempts`. */
  readonly path: readonly string[];
  /** The alternatives of its type, without `undefined`. */
  readonly types: readonly string[];
}

/** Finds the calls of the bus that take options, and their options, those of nested objects included. */
export function optionCallsOf(declarations: Declarations): OptionCalls[] {
  const callsOf = new Map<string, OptionCall[]>();
  for (const { name, type, errors } of declarations.membersOf('TypedEventBus')) {
    const alias = /^Typed\w+/.exec(type)?.[0];
    // A call with several signatures takes all of its options in one of them.
    const [signature] = [
      ...((alias && declarations.textOf(alias)) ?? type).matchAll(/\(([^()]*)options\??: (\w+)/g),
    ]
      .map(([, parameters = '', options = '']) => ({ parameters, options }))
      .sort((a, b) => declarations.membersOf(b.options).length - declarations.membersOf(a.options).length);
    if (signature === undefined) continue;
    const parameters = [...signature.parameters.matchAll(/(\w+)\??: /g)].map(([, parameter]) => parameter!);
    const calls = callsOf.get(signature.options) ?? [];
    callsOf.set(signature.options, [...calls, { name, parameters, errors }]);
  }
  return [...callsOf].map(([name, calls]) => ({
    interface: name,
    calls,
    options: optionsIn(declarations, name, []),
  }));
}

function optionsIn(declarations: Declarations, name: string, outer: readonly string[]): Option[] {
  return declarations.membersOf(name).flatMap(({ name: own, type, ...member }) => {
    const path = [...outer, own];
    const types = alternatives(declarations, type);
    const nested = types.find((one) => /^\w+Options$/.test(one));
    return [
      { ...member, path, types },
      ...(nested === undefined ? [] : optionsIn(declarations, nested, path)),
    ];
  });
}

/** The alternatives of a union, with those of the unions that it names. */
function alternatives(declarations: Declarations, type: string): string[] {
  if (type.includes('=>')) return [type.replace(/ \| undefined$/, '').replace(/^\((.*)\)$/s, '$1')];
  return type
    .split(' | ')
    .filter((one) => one !== 'undefined')
    .flatMap((one) => {
      const union = /^ = (.*);$/s.exec(declarations.textOf(one) ?? '')?.[1];
      return union === undefined ? [one] : alternatives(declarations, union);
    });
}
