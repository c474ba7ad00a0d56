import { ContractVersionError } from '../errors/errors.ts';

/**
 * The version of the contract between a bus and its engines. It changes only when engines made for the previous version stop
 * working, so it differs from the version of the package.
 */
export const contractVersion = 1;

// A registered symbol, because an engine may use another copy of core.
const stamp = Symbol.for('polybus.contract');

/** Marks an engine with the contract version of the core that created it. */
export function stampContract(engine: object): void {
  Object.defineProperty(engine, stamp, { value: contractVersion, configurable: true });
}

/**
 * Asserts that an engine was created for this version of the contract. An engine without a mark was not made by `createEngine` and is
 * accepted.
 *
 * @throws {@link ContractVersionError} if its version differs.
 */
export function assertContractVersion(name: string, engine: { readonly type: string }): void {
  const version = (engine as { readonly [stamp]?: unknown })[stamp];
  if (version === undefined || version === contractVersion) return;
  throw new ContractVersionError({ name, type: engine.type, version }, contractVersion);
}
