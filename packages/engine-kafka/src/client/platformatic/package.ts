import { importFailure } from '@polybus/core/engine-kit';
import type * as Platformatic from '@platformatic/kafka';

/** The package `@platformatic/kafka`. */
export type Package = typeof Platformatic;

/** Version 2 needs Node.js 22.22, or 24.6. */
function packageFor([major = 0, minor = 0]: readonly number[]): string {
  const isOld = major < 22 || (major === 22 && minor < 22) || (major === 24 && minor < 6);
  return `@platformatic/kafka@${isOld ? 1 : 2}`;
}

/**
 * Loads the package, which is installed only where it is used.
 *
 * @throws {@link MissingPackageError} if it is not installed.
 */
export async function loadPackage(engine: string): Promise<Package> {
  try {
    return await import('@platformatic/kafka');
  } catch (cause) {
    const name = packageFor(process.versions.node.split('.').map(Number));
    throw importFailure(cause, name, "The Kafka engine with client: 'platformatic'", { engine });
  }
}
