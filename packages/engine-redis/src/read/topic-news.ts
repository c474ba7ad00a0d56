import { fieldOf, type StreamEntry } from '../store/stream-entry.ts';
import { firstId } from '../store/stream-ids.ts';

/** Reads the announcement of a new topic. `before` is the id after which its events begin. */
export function parseNews(entry: StreamEntry): { readonly topic: string; readonly before: string } {
  const topic = fieldOf(entry, 'topic')?.toString() ?? '';
  const before = fieldOf(entry, 'before')?.toString('latin1') ?? firstId;
  return { topic, before };
}
