/** What was found by a name: it inherits nothing, so that a topic or a group may be called "constructor" or "__proto__". */
export function named<T>(entries: Iterable<readonly [name: string, value: T]> = []): Record<string, T> {
  const record = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) record[name] = value;
  return record;
}
