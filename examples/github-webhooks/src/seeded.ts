/** A number from 0 to 1 that is the same for the same text on every run (FNV-1a, mixed by murmur3's finaliser). */
export function chance(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** The same shuffle on every run with the same seed. */
export function shuffled<T>(items: readonly T[], seed: string): T[] {
  return items
    .map((item, i) => ({ item, at: chance(`${seed}/${i}`) }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
