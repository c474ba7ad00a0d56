import type { Engine } from './engine.ts';
import { ContractVersionError } from '../errors/errors.ts';

/**
 * The version of the contract between a bus and its engines. It rises only where an engine made for the one before would not
 * work any more, so it is not the version of the package.
 */
export const contractVersion = 1;

// An engine may come with a copy of core of its own, so the mark is one that all copies know.
const stamp = Symbol.for('polybus.contract');

/** Marks an engine with the version of the contract that it was made for: that of the core which makes it. */
export function stampContract(engine: Engine): void {
  Object.defineProperty(engine, stamp, { value: contractVersion, configurable: true });
}

/**
 * Refuses an engine that another version of the contract made. One without a mark was not made by `createEngine`, and is
 * taken at its word.
 *
 * @throws {@link ContractVersionError}
 */
export function assertContractVersion(name: string, engine: Engine): void {
  const version = (engine as { readonly [stamp]?: unknown })[stamp];
  if (version === undefined || version === contractVersion) return;
  throw new ContractVersionError({ name, type: engine.type, version }, contractVersion);
}
