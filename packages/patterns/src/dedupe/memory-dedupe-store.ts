import type { ClaimResult, DedupeStore } from './dedupe-store.ts';

interface Entry {
  /** The attempt that has the claim; undefined once a handler has succeeded. */
  readonly owner: string | undefined;
  /** By `performance.now()`. */
  readonly expiresAt: number;
}

/** Few enough that the search for expired entries takes no time that a handler would notice. */
const firstSearchAt = 1000;

/** Keeps the ids in this process: other processes do not see them, and they are lost when the process ends. */
export class MemoryDedupeStore implements DedupeStore {
  readonly #entries = new Map<string, Entry>();
  #searchAt = firstSearchAt;

  /** The number of remembered ids and claims. Expired ones count until the store removes them. */
  get size(): number {
    return this.#entries.size;
  }

  claim(key: string, owner: string, claimMs: number): Promise<ClaimResult> {
    const entry = this.#valid(key);
    if (entry !== undefined && entry.owner !== owner)
      return Promise.resolve(entry.owner === undefined ? 'handled' : 'busy');
    if (this.#entries.size >= this.#searchAt) this.#removeExpired();
    this.#set(key, owner, claimMs);
    return Promise.resolve('claimed');
  }

  extend(key: string, owner: string, claimMs: number): Promise<void> {
    const entry = this.#valid(key);
    if (entry === undefined || entry.owner === owner) this.#set(key, owner, claimMs);
    return Promise.resolve();
  }

  complete(key: string, _owner: string, ttlMs: number): Promise<void> {
    this.#set(key, undefined, ttlMs);
    return Promise.resolve();
  }

  release(key: string, owner: string): Promise<void> {
    if (this.#entries.get(key)?.owner === owner) this.#entries.delete(key);
    return Promise.resolve();
  }

  #valid(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.expiresAt > performance.now() ? entry : undefined;
  }

  #set(key: string, owner: string | undefined, ms: number): void {
    this.#entries.set(key, { owner, expiresAt: performance.now() + ms });
  }

  /** Removes expired entries. The next search is due at twice the size, so that a search costs a constant time per claim. */
  #removeExpired(): void {
    const now = performance.now();
    for (const [key, { expiresAt }] of this.#entries) if (expiresAt <= now) this.#entries.delete(key);
    this.#searchAt = Math.max(firstSearchAt, 2 * this.#entries.size);
  }
}
