/** How long a partition is left alone that fails for a reason of its own, in milliseconds. */
export const suspensionMs = 2000;

/** Partitions that cannot be read, and are left alone for a while so that the others can. */
export class Suspensions {
  readonly #until = new Map<string, number>();
  /** Those that have not been read since. */
  readonly #failing = new Set<string>();

  /** True where it is the first time since it could be read: who runs this is told once. */
  suspend(key: string): boolean {
    this.#until.set(key, Date.now() + suspensionMs);
    const isNews = !this.#failing.has(key);
    this.#failing.add(key);
    return isNews;
  }

  has(key: string): boolean {
    const until = this.#until.get(key);
    if (until === undefined) return false;
    if (until > Date.now()) return true;
    this.#until.delete(key);
    return false;
  }

  /** True where it could not be read before. */
  isOver(key: string): boolean {
    return this.#failing.size > 0 && this.#failing.delete(key);
  }

  forget(key: string): void {
    this.#until.delete(key);
    this.#failing.delete(key);
  }
}
