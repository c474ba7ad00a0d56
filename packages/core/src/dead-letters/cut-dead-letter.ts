import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { put } from '../cloudevents/attributes.ts';
import { encodeStructured } from '../cloudevents/structured.ts';
import { type CutDeadLetter, type DeadLetter, deadLetterKey } from './dead-letter.ts';
import { PublishedEvent } from '../contract/event.ts';
import { isTenant } from '../contract/tenant.ts';
import { PolybusError } from '../errors/polybus-error.ts';

/** The maximum size of the payload, of each other field of the event, and of each text of the error, in characters or bytes. */
interface Room {
  readonly payload: number;
  readonly field: number;
  readonly error: number;
}

/** The sizes of each try. The first two cut only the error, so that the event stays complete if possible; the last fits into a few kilobytes. */
const rooms: readonly Room[] = [
  { payload: Number.POSITIVE_INFINITY, field: Number.POSITIVE_INFINITY, error: 1024 },
  { payload: Number.POSITIVE_INFINITY, field: Number.POSITIVE_INFINITY, error: 64 },
  { payload: 8192, field: 1024, error: 1024 },
  { payload: 1024, field: 128, error: 128 },
  { payload: 64, field: 64, error: 64 },
];

/**
 * Publishes a dead letter, and cuts it if it is too large, because an event whose dead letter is not written blocks those behind it.
 *
 * @throws The error of `publish`, unless the dead letter itself caused it.
 */
export async function publishFitting(
  letter: PublishedEvent,
  publish: (letter: PublishedEvent) => Promise<void>,
): Promise<void> {
  // An engine that does not encode would accept a letter that its handler has changed beyond JSON, such as by a cycle.
  let fitting = isEncodable(letter) ? letter : new Cut(rooms[0]!).of(letter);
  for (let tries = 0; ; tries++) {
    try {
      await publish(fitting);
      return;
    } catch (error) {
      const room = rooms[tries];
      if (room === undefined || !isUnwritable(fitting, error)) throw error;
      fitting = new Cut(room).of(letter);
    }
  }
}

/** Returns true if the dead letter itself caused the error: it is too large, or it contains a value that JSON cannot represent. */
function isUnwritable(letter: PublishedEvent, error: unknown): boolean {
  return (PolybusError.is(error) && error.code === 'RECORD_TOO_LARGE') || !isEncodable(letter);
}

function isEncodable(letter: PublishedEvent): boolean {
  try {
    encodeStructured(letter, { source: 'polybus' });
    return true;
  } catch {
    return false;
  }
}

class Cut {
  readonly #room: Room;
  readonly #fields: string[] = [];

  constructor(room: Room) {
    this.#room = room;
  }

  of(letter: PublishedEvent): PublishedEvent {
    const { [deadLetterKey]: own, tenant, ...others } = letter.metadata;
    const origin = own as DeadLetter;
    const whole = bytesOf(letter.payload);
    const { name, message, stack } = origin.error;
    const { headers } = origin;
    const id = this.#named('id', letter.id);
    const payload = this.#payload(letter.payload, whole);
    // A dead letter keeps its tenant, which decides how it is routed, delivered and redriven.
    const metadata = isTenant(tenant)
      ? { tenant, ...this.#entries('metadata', others) }
      : this.#entries('metadata', tenant === undefined ? others : { tenant, ...others });
    const key = letter.key === undefined ? undefined : this.#named('key', letter.key);
    const createdAt = this.#time(letter.createdAt);
    const error = {
      name: this.#text('error.name', name),
      message: this.#text('error.message', message),
      stack: stack === null ? null : this.#text('error.stack', stack),
    };
    const left = headers === undefined ? {} : { headers: this.#entries('headers', headers) };
    // A letter that was cut before is never complete again, and its `bytes` and `sha256` are those of the complete payload.
    const before = origin.cut;
    const cut: CutDeadLetter = {
      fields: [...new Set([...(before?.fields ?? []), ...this.#fields])],
      bytes: before?.bytes ?? whole.length,
      sha256: before?.sha256 ?? createHash('sha256').update(whole).digest('hex'),
    };
    const provenance = { ...origin, error, ...left, cut };
    return new PublishedEvent(
      id,
      letter.topic,
      payload,
      { ...metadata, [deadLetterKey]: provenance },
      key,
      createdAt,
    );
  }

  #payload(payload: unknown, whole: Uint8Array): unknown {
    const { payload: room } = this.#room;
    const text = payload instanceof Uint8Array ? '' : jsonOf(payload);
    if (text !== undefined && whole.length <= room) return payload;
    this.#fields.push('payload');
    if (payload instanceof Uint8Array) return payload.slice(0, room);
    return (text ?? shown(payload)).slice(0, room);
  }

  /** Cuts an id or a key, with a hash of the whole so that it stays unique. */
  #named(field: string, text: string): string {
    if (text.length <= this.#room.field) return text;
    this.#fields.push(field);
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
    return `${text.slice(0, this.#room.field)}-${hash}`;
  }

  /** Returns as many of the entries as fit. */
  #entries<T>(field: string, entries: Readonly<Record<string, T>>): Record<string, T> {
    const kept: Record<string, T> = {};
    let room = this.#room.field;
    let isCut = false;
    for (const [name, value] of Object.entries(entries)) {
      const text = jsonOf(value);
      if (text === undefined || name.length + text.length > room) {
        isCut = true;
        continue;
      }
      room -= name.length + text.length;
      put(kept, name, value);
    }
    if (isCut) this.#fields.push(field);
    return kept;
  }

  #time(time: Date): Date {
    if (!Number.isNaN(time.getTime())) return time;
    this.#fields.push('createdAt');
    return new Date();
  }

  #text(field: string, text: string): string {
    if (text.length <= this.#room.error) return text;
    this.#fields.push(field);
    return text.slice(0, this.#room.error);
  }
}

function bytesOf(payload: unknown): Uint8Array {
  return payload instanceof Uint8Array ? payload : Buffer.from(jsonOf(payload) ?? '');
}

/** Returns the JSON text of a value: empty for `undefined`, and undefined if JSON cannot represent the value. */
function jsonOf(value: unknown): string | undefined {
  try {
    return value === undefined ? '' : JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function shown(value: unknown): string {
  try {
    return inspect(value);
  } catch {
    return 'a value that cannot be shown';
  }
}
