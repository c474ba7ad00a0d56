import { randomUUID } from 'node:crypto';

/** Returns a unique name for a topic, a stream or a group, so that tests that share a broker do not meet. */
export function newName(prefix = 't'): string {
  return `${prefix}-${randomUUID()}`;
}
