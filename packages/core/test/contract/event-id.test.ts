import { describe, expect, test } from 'vitest';
import { newEventId } from '../../src/contract/event-id.ts';

const uuidv7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const timeOf = (id: string): number => Number.parseInt(id.replace('-', '').slice(0, 12), 16);

describe('an event id', () => {
  test('is a UUIDv7 with the time of its creation', () => {
    const before = Date.now();
    const id = newEventId();
    expect(id).toMatch(uuidv7);
    expect(timeOf(id)).toBeGreaterThanOrEqual(before);
    expect(timeOf(id)).toBeLessThanOrEqual(Date.now());
  });

  test('is unique and sorts after the earlier ids, also within a millisecond and if the clock goes back a little', () => {
    const now = Date.now() + 60_000;
    const times = [now, now, now + 1, now - 500, now, now + 2];
    const ids = times.flatMap((time) => Array.from({ length: 2000 }, () => newEventId(new Date(time))));
    for (const id of ids) expect(id).toMatch(uuidv7);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(ids.toSorted());
  });

  test('does not always end in the same byte', () => {
    const now = Date.now() + 120_000;
    const ends = new Set(Array.from({ length: 100 }, (_, i) => newEventId(new Date(now + i)).slice(-2)));
    expect(ends.size).toBeGreaterThan(20);
  });
});
