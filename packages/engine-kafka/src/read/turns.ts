/** A cursor. */
interface Standing {
  readonly position: number;
  readonly isOpen: boolean;
}

/** The offset to read next; `isSkewed` if cursors at other offsets wait for their turn. */
export interface Turn {
  readonly offset: number;
  readonly isSkewed: boolean;
}

/**
 * The next offset to read in each partition. A request reads a partition at one offset, so cursors at different offsets take turns,
 * from the first to the last offset and round again: a replay does not hold up a cursor at the end.
 */
export class Turns {
  /** The offset of the last turn, by partition. */
  readonly #last = new Map<string, number>();

  /** Undefined if no cursor has room. */
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

  /** The cursors of the last turn have advanced to `next`. */
  moved(key: string, next: number): void {
    if (this.#last.has(key)) this.#last.set(key, next);
  }

  forget(key: string): void {
    this.#last.delete(key);
  }
}
