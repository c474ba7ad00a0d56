import type { Event } from '@polybus/core';
import type { DecodeContext } from '@polybus/core/cloudevents';
import type { Decoded } from '@polybus/core/engine-kit';
import { decode } from './decode.ts';
import { timeOf } from './stream-ids.ts';
import { eventField, keyField } from './stream-keys.ts';

/** An entry of a stream as the server returned it, with its id as text. */
export interface StreamEntry {
  readonly id: string;
  readonly fields: readonly Buffer[];
  /** How often the group has delivered it, this time included; 0 without a group. */
  readonly deliveries: number;
}

type RawEntry = readonly [Buffer, readonly Buffer[] | null, number?];

/**
 * The entries of a reply, without deleted entries, which have no fields.
 *
 * @param defaultDeliveries - For entries that come without the number.
 */
export function entriesOf(reply: unknown, defaultDeliveries = 0): StreamEntry[] {
  const entries: StreamEntry[] = [];
  for (const [id, fields, deliveries = defaultDeliveries] of (reply ?? []) as RawEntry[]) {
    if (fields !== null) entries.push({ id: id.toString('latin1'), fields, deliveries });
  }
  return entries;
}

/** The streams of a reply of XREAD, each with its name. */
export function streamsOf(reply: unknown): (readonly [string, StreamEntry[]])[] {
  return ((reply ?? []) as (readonly [Buffer, unknown])[]).map(
    ([name, entries]) => [name.toString(), entriesOf(entries)] as const,
  );
}

export function fieldOf({ fields }: StreamEntry, name: string): Buffer | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2)
    if (fields[i]!.toString('latin1') === name) return fields[i + 1];
  return undefined;
}

/** Marks a key that is not UTF-8: half a surrogate pair, which no decoded text contains. */
const bytesMark = '\ud800';

/** The key of the entry's field, by which the group keeps its order, or ''. */
export function keyOf(entry: StreamEntry): string {
  const bytes = entry.fields.length > 2 ? fieldOf(entry, keyField) : undefined;
  if (bytes === undefined) return '';
  const text = bytes.toString();
  // The key is from another producer, and may not be text.
  return text.includes('\ufffd') ? bytesMark + bytes.toString('latin1') : text;
}

/** The key as the server stores it. */
export function keyArgument(key: string): string | Buffer {
  return key.startsWith(bytesMark) ? Buffer.from(key.slice(1), 'latin1') : key;
}

/** The entry's data for decoding. Few events need the time or the key from here, so both are computed on demand. */
class EntryContext implements DecodeContext {
  readonly topic: string;
  readonly #entry: StreamEntry;

  constructor(topic: string, entry: StreamEntry) {
    this.topic = topic;
    this.#entry = entry;
  }

  get key(): string | undefined {
    return fieldOf(this.#entry, keyField)?.toString();
  }

  get createdAt(): Date {
    return timeOf(this.#entry.id);
  }
}

/** Decodes an entry. If it has no field `event`, it is from another producer, and all its fields together are the bytes. */
export function decodeEntry(topic: string, entry: StreamEntry): Decoded {
  const bytes = fieldOf(entry, eventField) ?? Buffer.from(JSON.stringify(entry.fields.map(String)));
  return decode(topic, bytes, new EntryContext(topic, entry));
}

/** The fields of an event's entry. */
export function fieldsFor(text: string, key: Event['key']): string[] {
  return key === undefined ? [eventField, text] : [eventField, text, keyField, key];
}
