/** The metadata field in which `redrive` stores the consumer group that handles the event again. */
export const redriveKey = 'polybus.redrive';

/** The group of the failed subscription; null if it had none. */
export interface RedriveTarget {
  readonly group: string | null;
}

/** Returns false if the event was redriven for another group. */
export function isMeantFor(group: string | undefined, metadata: Readonly<Record<string, unknown>>): boolean {
  const target = metadata[redriveKey] as RedriveTarget | undefined;
  return target === undefined || target === null || (target.group ?? undefined) === group;
}

/** Returns the metadata without fields of the bus, so that a handler gets the metadata of the publisher. */
export function handlerMetadata(
  metadata: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  if (metadata[redriveKey] === undefined) return metadata;
  const { [redriveKey]: _, ...rest } = metadata;
  return rest;
}
