/** An object without inherited properties, so that a topic or a group can have a name such as "constructor" or "__proto__". */
export function recordByName<T>(
  entries: Iterable<readonly [name: string, value: T]> = [],
): Record<string, T> {
  const record = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) record[name] = value;
  return record;
}
