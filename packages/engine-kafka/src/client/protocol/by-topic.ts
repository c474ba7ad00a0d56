/** Groups what has a topic by it, as Kafka's requests do. */
export function byTopic<T extends { readonly topic: string }>(all: readonly T[]): ReadonlyMap<string, T[]> {
  const grouped = new Map<string, T[]>();
  for (const one of all) {
    const ofTopic = grouped.get(one.topic);
    if (ofTopic === undefined) grouped.set(one.topic, [one]);
    else ofTopic.push(one);
  }
  return grouped;
}
