import assert from 'node:assert/strict';

/** How many values an error shows. */
const maxShown = 10;
/** How many equal values an error shows before the first difference. */
const shownBefore = 2;

/** The first of these values, and how many more there are. */
export function listed(values: readonly unknown[], separator = ', '): string {
  if (values.length === 0) return 'nothing';
  const more = values.length > maxShown ? `${separator}and ${values.length - maxShown} more` : '';
  return values.slice(0, maxShown).join(separator) + more;
}

/**
 * Asserts that these values came, in this order.
 *
 * @param what - What the values are, if they are not payloads.
 */
export function assertOrder(
  got: readonly unknown[],
  expected: readonly unknown[],
  who: string,
  what: string = '',
): void {
  const [came, wanted] = [got.map(textOf), expected.map(textOf)];
  const length = Math.max(came.length, wanted.length);
  let same = 0;
  while (same < length && came[same] === wanted[same]) same++;
  const from = length > maxShown ? Math.max(0, same - shownBefore) : 0;
  const shown = (texts: string[]): string => (from > 0 ? '…, ' : '') + listed(texts.slice(from));
  assert.ok(
    same === length,
    `expected ${who} to get ${what}${shown(wanted)} in this order (${wanted.length} in all), got ${shown(came)} (${came.length} in all)`,
  );
}

/** Asserts that each of these values came as often as it is expected, in any order, and no other value. */
export function assertEach(
  got: readonly unknown[],
  expected: readonly unknown[],
  who: string,
  what: string = '',
): void {
  const left = new Map<string, number>();
  for (const text of expected.map(textOf)) left.set(text, (left.get(text) ?? 0) + 1);
  const surplus: string[] = [];
  for (const text of got.map(textOf)) {
    const count = left.get(text) ?? 0;
    if (count === 0) surplus.push(text);
    else left.set(text, count - 1);
  }
  const missing = [...left].flatMap(([text, count]) => Array.from({ length: count }, () => text));
  assert.ok(
    surplus.length === 0 && missing.length === 0,
    `expected ${who} to get ${what}${listed(expected.map(textOf))}, each once; missing: ${listed(missing)}; too many: ${listed(surplus)}`,
  );
}

function textOf(value: unknown): string {
  return JSON.stringify(value) ?? 'undefined';
}
