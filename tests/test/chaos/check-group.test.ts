import { describe, expect, test } from 'vitest';
import { type GroupFindings, checkGroup } from '../../chaos/check/check-group.ts';
import { groupOf } from '../../chaos/check/history.ts';
import { HandMade } from './hand-made.ts';

function check(ledgers: HandMade): GroupFindings {
  const history = ledgers.history();
  return checkGroup(history, groupOf(history, 'group'));
}

const ids = (all: readonly { readonly id: string }[]): string[] => all.map(({ id }) => id);

/** Two events of a key, published one after the other. */
const two = (): HandMade => new HandMade().publish(1, 'a', { seq: 0 }).publish(2, 'b', { seq: 1 });

test('nothing is found if each event was handled once and in order', () => {
  const ledgers = two().handle('c1', 'a', 1.1, 1.2).handle('c2', 'b', 2.1, 2.2, { seq: 1 });
  expect(check(ledgers)).toEqual({ lost: [], stuck: [], repeated: [], reordered: [], overlapping: [] });
});

describe('an accepted event', () => {
  test('is lost if no handler began', () => {
    expect(ids(check(two().handle('c1', 'a', 1.1, 1.2)).lost)).toEqual(['b']);
  });

  test('is lost if its last handler failed or never ended', () => {
    const ledgers = two().handle('c1', 'a', 1.1, 1.2, { ok: false }).handle('c1', 'b', 2.1);
    expect(ids(check(ledgers).lost)).toEqual(['a', 'b']);
  });

  test('is not lost if it is in a dead letter', () => {
    const ledgers = two().handle('c1', 'b', 2.1, 2.2, { seq: 1 });
    expect(ids(check(ledgers.giveUp('c1', 'group', 3, 'a', 'dead-letter')).lost)).toEqual([]);
  });

  test('is not lost if only a subscription without a group handled it, but the group did not', () => {
    const ledgers = two().handle('c1', 'b', 2.1, 2.2, { seq: 1 });
    expect(ids(check(ledgers.handle('o', 'a', 1.1, 1.2, { sub: 'observer' })).lost)).toEqual(['a']);
  });

  test('is stuck if it was handled only by the last member', () => {
    const ledgers = two().handle('c1', 'a', 1.1, 1.2).lastMember(60);
    const { lost, stuck } = check(ledgers.handle('c9', 'b', 61, 62, { seq: 1 }));
    expect([ids(lost), ids(stuck)]).toEqual([[], ['b']]);
  });
});

test.each(['rejected', 'unknown'] as const)('an event whose publish is %s may be lost', (outcome) => {
  expect(check(new HandMade().publish(1, 'a', { outcome })).lost).toEqual([]);
});

describe('an event that was handled twice', () => {
  const again = (): HandMade =>
    new HandMade().publish(1, 'a').handle('c1', 'a', 1.1, 1.2).handle('c2', 'a', 5, 5.1);
  const causes = (ledgers: HandMade): string[] => check(ledgers).repeated.map(({ cause }) => cause);

  test('has no cause if nothing happened', () => {
    expect(causes(again())).toEqual(['none']);
  });

  test('has the cause that its first process was killed, if that was between the two', () => {
    expect(causes(again().disturb('killed', 1.3, 1.3, 'c1'))).toEqual(['killed']);
    expect(causes(again().disturb('killed', 1.3, 1.3, 'c3'))).toEqual(['none']);
    expect(causes(again().disturb('killed', 7, 7, 'c1'))).toEqual(['none']);
  });

  test('has the cause that one of its processes was frozen or its event loop stalled', () => {
    expect(causes(again().disturb('frozen', 1.3, 4, 'c1'))).toEqual(['frozen']);
    expect(causes(again().stall('c2', 0.5, 4.9))).toEqual(['frozen']);
    expect(causes(again().stall('c3', 0.5, 4.9))).toEqual(['none']);
  });

  test('has the cause that the broker or the network was away, or had just returned', () => {
    expect(causes(again().disturb('broker', 2, 3))).toEqual(['broker']);
    expect(causes(again().disturb('network', 0.1, 0.2))).toEqual(['network']);
    expect(causes(again().disturb('broker', 6, 7))).toEqual(['none']);
  });

  test('has the cause of its publish, which may have been sent twice', () => {
    const ledgers = new HandMade().publish(20, 'a').handle('c1', 'a', 40, 41).handle('c2', 'a', 42, 43);
    expect(causes(ledgers.disturb('network', 20, 20.1))).toEqual(['network']);
  });

  test('has the cause that its publish waited so long for an answer that it was sent again', () => {
    const ledgers = (settledAt: number): HandMade =>
      new HandMade().publish(1, 'a', { settledAt }).handle('c1', 'a', 2, 3).handle('c1', 'a', 20, 21);
    expect(causes(ledgers(5.9))).toEqual(['none']);
    expect(causes(ledgers(6))).toEqual(['resent']);
  });

  test('is not repeated if the first attempts failed', () => {
    const ledgers = new HandMade().publish(1, 'a').handle('c1', 'a', 1.1, 1.2, { ok: false });
    expect(causes(ledgers.handle('c1', 'a', 1.3, 1.4, { attempt: 2 }))).toEqual([]);
  });

  test('counts a handler that began again and did not end', () => {
    const ledgers = new HandMade().publish(1, 'a').handle('c1', 'a', 1.1, 1.2).handle('c2', 'a', 5);
    expect(causes(ledgers)).toEqual(['none']);
  });
});

describe('a key', () => {
  test('is reordered if a later event began first', () => {
    const ledgers = two().handle('c1', 'b', 2.1, 2.2, { seq: 1 }).handle('c1', 'a', 2.3, 2.4);
    expect(ids(check(ledgers).reordered)).toEqual(['a']);
  });

  test('is not reordered by a repeat', () => {
    const ledgers = two().handle('c1', 'a', 1.1, 1.2).handle('c1', 'b', 2.1, 2.2, { seq: 1 });
    expect(check(ledgers.handle('c2', 'a', 5, 5.1)).reordered).toEqual([]);
  });

  test('is not reordered by an event whose publish was rejected', () => {
    const ledgers = new HandMade().publish(1, 'a', { outcome: 'rejected' }).publish(2, 'b', { seq: 1 });
    expect(check(ledgers.handle('c1', 'b', 2.1, 2.2, { seq: 1 }).handle('c1', 'a', 3, 4)).reordered).toEqual(
      [],
    );
  });

  describe('after partitions were added', () => {
    const events = (): HandMade =>
      two().publish(3, 'c', { seq: 2 }).publish(4, 'd', { seq: 3 }).disturb('partitions-added', 2.5, 2.6);
    const inOrder = (...order: number[]): string[] => {
      const ledgers = events();
      for (const [i, seq] of order.entries()) ledgers.handle('c1', 'abcd'[seq]!, 5 + i, 5.5 + i, { seq });
      return ids(check(ledgers).reordered);
    };

    test('may be reordered once, because it has moved to another partition', () => {
      expect(inOrder(2, 0, 3, 1)).toEqual([]);
      expect(inOrder(3, 0, 1, 2)).toEqual([]);
    });

    test('may not be reordered if no single move explains it', () => {
      expect(inOrder(2, 1, 0, 3)).toEqual(['b', 'a']);
      expect(inOrder(1, 0, 2, 3)).toEqual(['a']);
    });

    const atOnce = (one: number, other: number): HandMade =>
      events()
        .handle('c1', 'abcd'[one]!, 5, 7, { seq: one })
        .handle('c2', 'abcd'[other]!, 6, 6.5, { seq: other });

    test('may have two handlers at once, because two partitions can have two owners', () => {
      expect(check(atOnce(1, 2)).overlapping).toEqual([]);
      expect(check(atOnce(3, 1)).overlapping).toEqual([]);
    });

    test('may not have two handlers at once if no single move explains it', () => {
      expect(check(atOnce(0, 1)).overlapping).toHaveLength(1);
      expect(check(atOnce(2, 2)).overlapping).toHaveLength(1);
      const twice = atOnce(1, 2).handle('c1', 'c', 8, 10, { seq: 2 }).handle('c2', 'd', 9, 9.5, { seq: 3 });
      expect(check(twice).overlapping).toHaveLength(2);
      expect(check(twice.disturb('partitions-added', 2.7, 2.8)).overlapping).toEqual([]);
    });
  });

  test('has two handlers at once if the next begins before the first ends', () => {
    const ledgers = two().handle('c1', 'a', 1.1, 5).handle('c2', 'b', 2.1, 2.2, { seq: 1 });
    expect(check(ledgers).overlapping.map(({ cause }) => cause)).toEqual(['none']);
    expect(check(ledgers.disturb('frozen', 1.5, 4, 'c1')).overlapping.map(({ cause }) => cause)).toEqual([
      'frozen',
    ]);
    // Two handlers at once are explained by the frozen process, also if the other one is killed meanwhile.
    expect(check(ledgers.disturb('killed', 2.2, 2.2, 'c2')).overlapping.map(({ cause }) => cause)).toEqual([
      'frozen',
    ]);
  });

  test('is free once the process of its handler was killed', () => {
    const ledgers = two().handle('c1', 'a', 1.1).handle('c2', 'b', 5, 6, { seq: 1 });
    expect(check(ledgers).overlapping).toHaveLength(1);
    expect(check(ledgers.disturb('killed', 2, 2, 'c1')).overlapping).toEqual([]);
  });

  test('does not block other keys', () => {
    const ledgers = two().handle('c1', 'a', 1.1, 5).handle('c2', 'b', 2.1, 2.2, { key: 'other', seq: 1 });
    expect(check(ledgers).overlapping).toEqual([]);
  });
});
