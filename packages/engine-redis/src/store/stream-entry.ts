import type { Event } from '@polybus/core';
import type { DecodeContext } from '@polybus/core/cloudevents';
import { type Decoded, decode } from './record.ts';
import { timeOf } from './stream-ids.ts';
import { eventField, keyField } from './stream-keys.ts';

/** An entry as the server gave it, with its id as text. */
export interface StreamEntry {
  readonly id: string;
  readonly fields: readonly Buffer[];
  /** How often the group has delivered it, this time included; 0 where no group is involved. */
  readonly deliveries: number;
}

type RawEntry = readonly [Buffer, readonly Buffer[] | null, number?];

/**
 * The entries of a reply. An entry that was deleted has no fields, and is left out.
 *
 * @param unsaid - The deliveries of an entry that comes without.
 */
export function entriesOf(reply: unknown, unsaid = 0): StreamEntry[] {
  const entries: StreamEntry[] = [];
  for (const [id, fields, deliveries = unsaid] of (reply ?? []) as RawEntry[]) {
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

/** Before a key that is no UTF-8: half a character, as no text from the server has it. */
const bytesMark = '\ud800';

/** The entry's own key, which is what the group knows it by, or ''. */
export function keyOf(entry: StreamEntry): string {
  const bytes = entry.fields.length > 2 ? fieldOf(entry, keyField) : undefined;
  if (bytes === undefined) return '';
  const text = bytes.toString();
  // Only of another producer, and then perhaps no text at all.
  return text.includes('\ufffd') ? bytesMark + bytes.toString('latin1') : text;
}

/** The key as the server has it. */
export function keyArgument(key: string): string | Buffer {
  return key.startsWith(bytesMark) ? Buffer.from(key.slice(1), 'latin1') : key;
}

/** What an entry says of its event. Hardly one needs the time, or the key: it is worked out where it is asked for. */
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

/** Decodes an entry. One without the field `event` is none of ours: all its fields count as its bytes. */
export function decodeEntry(topic: string, entry: StreamEntry): Decoded {
  const bytes = fieldOf(entry, eventField) ?? Buffer.from(JSON.stringify(entry.fields.map(String)));
  return decode(topic, bytes, new EntryContext(topic, entry));
}

/** The fields of an event's entry. */
export function fieldsFor(text: string, key: Event['key']): string[] {
  return key === undefined ? [eventField, text] : [eventField, text, keyField, key];
}
