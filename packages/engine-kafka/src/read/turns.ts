/** What the turns need of a place. */
interface Standing {
  readonly position: number;
  readonly isOpen: boolean;
}

/** Where to read a partition next; `isSkewed` where others stand elsewhere, and wait for their turn. */
export interface Turn {
  readonly offset: number;
  readonly isSkewed: boolean;
}

/**
 * Whose turn it is in each partition. A request reads a partition at one offset alone, so places that stand apart take turns,
 * from the earliest to the last and round again: one that replays holds up none at the tip.
 */
export class Turns {
  /** Where those stand that had the turn last. */
  readonly #last = new Map<string, number>();

  /** Undefined where no place has room. */
  next(key: string, places: Iterable<Standing>): Turn | undefined {
    const last = this.#last.get(key) ?? Number.POSITIVE_INFINITY;
    let [first, end, beyond] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (const { isOpen, position } of places) {
      if (!isOpen) continue;
      if (position < first) first = position;
      if (position > end) end = position;
      if (position > last && position < beyond) beyond = position;
    }
    if (first === Number.POSITIVE_INFINITY) return undefined;
    const isSkewed = end > first;
    if (!isSkewed) {
      this.#last.delete(key);
      return { offset: first, isSkewed };
    }
    const offset = beyond === Number.POSITIVE_INFINITY ? first : beyond;
    this.#last.set(key, offset);
    return { offset, isSkewed };
  }

  /** Those that had the turn have gone on to here. */
  moved(key: string, next: number): void {
    if (this.#last.has(key)) this.#last.set(key, next);
  }

  forget(key: string): void {
    this.#last.delete(key);
  }
}
