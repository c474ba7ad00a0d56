/** Returns the candidate that the word is most likely a misspelling of; undefined if none is close. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Returns the candidate that the word may stand for: a close spelling, or else the candidate that shares most of the word. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const slip = closest(word, candidates);
  if (slip !== undefined) return slip;
  const lower = word.toLowerCase();
  let best: string | undefined;
  let bestLength = 2;
  for (const candidate of candidates) {
    const other = candidate.toLowerCase();
    const isInside = lower.includes(other) || other.includes(lower);
    const shared = isInside ? Math.min(lower.length, other.length) : commonPrefix(lower, other);
    if (shared > bestLength && (isInside || shared > 3)) [best, bestLength] = [candidate, shared];
  }
  return best;
}

function commonPrefix(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/** Returns the hint for an unknown name: the name that was probably meant, or all names. */
export function suggestion(word: string, names: readonly string[], what: string): string {
  const meant = nearest(word, names);
  return meant === undefined ? `the ${what} are ${names.join(', ')}` : `did you mean "${meant}"?`;
}

/**
 * Lists the engines of a bus, for a message about an unknown name.
 *
 * @param names - With secrets masked.
 */
export function engineList(names: readonly string[]): string {
  const list = names.map((name) => `"${name}"`).join(', ');
  return names.length === 1 ? `the only engine is ${list}` : `the engines are ${list}`;
}

/** Returns the Levenshtein distance: the number of letters to insert, delete or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
