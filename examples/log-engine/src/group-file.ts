import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a group has settled in one partition. */
export interface Position {
  /** Every record before this offset is settled. */
  readonly first: number;
  /** The settled offsets after `first`. */
  readonly ahead: readonly number[];
  /** The attempts of records that are not settled, each with its offset. */
  readonly attempts: readonly (readonly [offset: number, attempts: number])[];
}

export interface Member {
  readonly id: string;
  readonly pattern: string;
}

/** A group member, until it leaves or its lease expires. */
export interface Session extends Member {
  readonly leaseMs: number;
  /** On the monotonic clock of the machine, in milliseconds. */
  readonly aliveAt: number;
  /** False once the member gives up its partitions. */
  readonly isStaying: boolean;
}

export interface GroupState {
  readonly patterns: Set<string>;
  /** By member id. */
  readonly sessions: Map<string, Session>;
  /** By partition id. A partition without a position is new to the group. */
  readonly positions: Map<string, Position>;
  /** The member that owns a partition, by partition id. */
  readonly owners: Map<string, string>;
}

/**
 * The state of a group. Each version is a file, which a process creates with a hard link: if two processes change the same version, the
 * link of the second one fails, and it changes the new version. No process holds a lock that it could take along when it dies.
 */
export class GroupFile {
  readonly #folder: string;
  #version = 0;
  #text = '[[],[],[],[]]';

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  read(): GroupState {
    this.#refresh();
    const [patterns, sessions, positions, owners] = JSON.parse(this.#text) as [
      never[],
      never[],
      never[],
      never[],
    ];
    return {
      patterns: new Set(patterns),
      sessions: new Map(sessions),
      positions: new Map(positions),
      owners: new Map(owners),
    };
  }

  /** Changes the state. `change` can be called several times, each time with a newer state. */
  update<T>(change: (state: GroupState) => T): T {
    for (;;) {
      const state = this.read();
      const result = change(state);
      const { patterns, sessions, positions, owners } = state;
      const text = JSON.stringify([[...patterns], [...sessions], [...positions], [...owners]]);
      if (text === this.#text || this.#replace(text)) return result;
    }
  }

  #refresh(): void {
    for (;;) {
      const version = this.#versions().at(-1) ?? 0;
      if (version === this.#version) return;
      try {
        this.#text = readFileSync(this.#path(version), 'utf8');
        this.#version = version;
        return;
      } catch (error) {
        // Another process has replaced this version meanwhile.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  }

  /** Returns false if another process was faster. */
  #replace(text: string): boolean {
    const version = this.#version + 1;
    const draft = join(this.#folder, randomUUID());
    writeFileSync(draft, text);
    try {
      linkSync(draft, this.#path(version));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    } finally {
      rmSync(draft);
    }
    const versions = this.#versions();
    // Another process had created this version, and has removed it already because there is a newer version.
    const isLatest = versions.at(-1) === version;
    for (const other of versions)
      if (isLatest ? other < version : other === version) rmSync(this.#path(other), { force: true });
    if (isLatest) {
      this.#version = version;
      this.#text = text;
    }
    return isLatest;
  }

  #versions(): number[] {
    const files = readdirSync(this.#folder).filter((file) => file.endsWith('.json'));
    return files.map((file) => Number.parseInt(file, 10)).sort((a, b) => a - b);
  }

  #path(version: number): string {
    return join(this.#folder, `${version}.json`);
  }
}
