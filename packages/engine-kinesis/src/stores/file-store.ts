import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointStore, StoredDocument } from './checkpoint-store.ts';

/**
 * Keeps checkpoints in files, for the processes of one host. Each version of a document is a separate file, created by a hard link, which
 * only one process can create.
 */
export class FileCheckpointStore implements CheckpointStore {
  readonly isShared = true;
  readonly #folder: string;

  /** @param folder - A folder on a local file system, the same for all processes of a group. The store creates it if necessary. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async read(name: string): Promise<StoredDocument | undefined> {
    for (;;) {
      const version = (await this.#files(name)).versions.at(-1);
      if (version === undefined) return undefined;
      try {
        return { version, text: await readFile(this.#path(name, version), 'utf8') };
      } catch (error) {
        // Another process has replaced this version meanwhile.
        if (!hasCode(error, 'ENOENT')) throw error;
      }
    }
  }

  async replace(name: string, { version, text }: StoredDocument): Promise<boolean> {
    await mkdir(this.#folder, { recursive: true });
    const current = (await this.#files(name)).versions.at(-1) ?? 0;
    if (current !== version - 1) return false;
    const draft = join(this.#folder, `${digest(name)}.${version}.${randomUUID()}.draft`);
    const path = this.#path(name, version);
    try {
      await write(draft, text);
      if (!(await isLinked(draft, path))) return false;
    } finally {
      // Also if the disk is full: otherwise, each attempt would leave a draft.
      await remove(draft);
    }
    const { versions, drafts } = await this.#files(name);
    // Another process had created this version, and has removed it already because there is a newer version.
    if (versions.at(-1) !== version) {
      await remove(path);
      return false;
    }
    for (const older of versions.slice(0, -1)) await remove(this.#path(name, older));
    // A process that was killed leaves its draft. A draft of this version or an older one can no longer become a version.
    for (const one of drafts) if (one.version <= version) await remove(join(this.#folder, one.file));
    return true;
  }

  /** The versions of a document in ascending order, and its drafts. Other files in the folder do not matter. */
  async #files(name: string): Promise<DocumentFiles> {
    const prefix = digest(name);
    let files: string[];
    try {
      files = await readdir(this.#folder);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      files = [];
    }
    const versions: number[] = [];
    const drafts: Draft[] = [];
    for (const file of files) {
      const [, digits, isDraft] =
        /^\.(\d+)\.(?:json|[\da-f-]+\.(draft))$/.exec(file.slice(prefix.length)) ?? [];
      if (digits === undefined || !file.startsWith(prefix)) continue;
      if (isDraft === undefined) versions.push(Number(digits));
      else drafts.push({ file, version: Number(digits) });
    }
    return { versions: versions.sort((a, b) => a - b), drafts };
  }

  #path(name: string, version: number): string {
    return join(this.#folder, `${digest(name)}.${version}.json`);
  }
}

interface Draft {
  readonly file: string;
  readonly version: number;
}

interface DocumentFiles {
  readonly versions: readonly number[];
  readonly drafts: readonly Draft[];
}

/** The name of a group may contain any character. */
function digest(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 32);
}

async function write(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(text);
    // On the disk before it has its final name: after a failure of the host, there must be no empty document.
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** False if another process has created the version. If that process has also removed the draft, the draft is missing. */
async function isLinked(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST') || hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT')) throw error;
  });
}

function hasCode(error: unknown, code: string): boolean {
  return (error as { code?: unknown } | null)?.code === code;
}
