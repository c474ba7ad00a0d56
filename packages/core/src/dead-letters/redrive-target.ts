/** Where `redrive` notes, in an event's metadata, which consumer group is to handle it again. */
export const redriveKey = 'polybus.redrive';

/** The failed subscription's group; null where it had none. */
export interface RedriveTarget {
  readonly group: string | null;
}

/** False where the event was redriven for another group than this one. */
export function isMeantFor(group: string | undefined, metadata: Readonly<Record<string, unknown>>): boolean {
  const target = metadata[redriveKey] as RedriveTarget | undefined;
  return target === undefined || target === null || (target.group ?? undefined) === group;
}

/** The metadata without the bus's own note: a handler sees what the publisher gave. */
export function handlerMetadata(
  metadata: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  if (metadata[redriveKey] === undefined) return metadata;
  const { [redriveKey]: _, ...rest } = metadata;
  return rest;
}
