const token =
  /[ \t\r\n]*(?:("(?:[^"\\\n\r\t]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|([{}[\],:]))/y;

/** The tokens that may come next. */
type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end';

/**
 * Returns the line, counted from 1, of the first mistake in a text that `JSON.parse` refuses. The messages of `JSON.parse` quote the
 * text, which may be a secret, and do not always name the line.
 */
export function lineOfJsonMistake(text: string): number {
  const open: string[] = [];
  let expected: Expected = 'value';
  token.lastIndex = 0;
  for (;;) {
    const before = token.lastIndex;
    const [, string, scalar, mark] = token.exec(text) ?? [];
    const next = step(expected, string, scalar, mark, open);
    if (next === undefined) return lineAt(text, before);
    expected = next;
  }
}

/** Returns what may come after the token; undefined if the token is not expected. */
function step(
  expected: Expected,
  string: string | undefined,
  scalar: string | undefined,
  mark: string | undefined,
  open: string[],
): Expected | undefined {
  const isValue = expected === 'value' || expected === 'value or ]';
  const isKey = expected === 'key' || expected === 'key or }';
  if (isValue && (string ?? scalar) !== undefined) return ', or end';
  if (isKey && string !== undefined) return ':';
  if (isValue && (mark === '{' || mark === '[')) {
    open.push(mark);
    return mark === '{' ? 'key or }' : 'value or ]';
  }
  if (expected === ':' && mark === ':') return 'value';
  const inside = open.at(-1);
  if (expected === ', or end' && mark === ',' && inside !== undefined)
    return inside === '{' ? 'key' : 'value';
  const mayClose = expected === ', or end' || expected === 'value or ]' || expected === 'key or }';
  if (!mayClose || mark !== (inside === '{' ? '}' : ']') || inside === undefined) return undefined;
  open.pop();
  return ', or end';
}

function lineAt(text: string, index: number): number {
  const rest = text.slice(index);
  const mistake = index + (rest.length - rest.trimStart().length);
  return text.slice(0, mistake).split('\n').length;
}
