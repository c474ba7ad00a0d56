import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guard } from './watchdog.ts';

/** A folder for the data and log of one broker. It is removed even if this process is killed. */
export interface TempFolder {
  readonly path: string;
  /** Removes the folder and its content. */
  remove(): Promise<void>;
}

/** Creates `<system's temp folder>/polybus-<name>-XXXXXX`. */
export async function makeTempFolder(name: string): Promise<TempFolder> {
  const path = await mkdtemp(join(tmpdir(), `polybus-${name}-`));
  const release = guard({ kind: 'folder', path });
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      release();
    },
  };
}
