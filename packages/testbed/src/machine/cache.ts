import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { variable } from '../environment.ts';

/**
 * The folder for downloads: `.cache/` at the top of the repository, which git ignores, or POLYBUS_TEST_CACHE. It is created if necessary.
 */
export async function cacheFolder(): Promise<string> {
  const path = resolve(
    variable('POLYBUS_TEST_CACHE') ?? fileURLToPath(new URL('../../../../.cache', import.meta.url)),
  );
  await mkdir(path, { recursive: true });
  return path;
}
