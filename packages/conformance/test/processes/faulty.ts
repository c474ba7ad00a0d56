import { LogBroker, logEngine } from '../../../../examples/log-engine/src/index.ts';
import type { EngineUnderTest } from '../../src/index.ts';

/** A position at the first record. */
const beginning = { first: 0, ahead: [], attempts: [] } as const;

type Method = 'append' | 'claim' | 'commit' | 'join' | 'members' | 'read';

/** Replaces a method of every broker in this process. `make` gets the method of the broker that is called, and the broker. */
function replace<Name extends Method>(
  name: Name,
  make: (original: LogBroker[Name], broker: LogBroker) => LogBroker[Name],
): void {
  type Call = (...args: unknown[]) => unknown;
  const original = LogBroker.prototype[name] as Call;
  const replacement = function (this: LogBroker, ...args: unknown[]): unknown {
    return (make(original.bind(this) as LogBroker[Name], this) as Call)(...args);
  };
  LogBroker.prototype[name] = replacement as LogBroker[Name];
}

/** What can be wrong with an engine whose members are in several processes. */
const faults = {
  none: () => {},
  /** Leases do not expire. */
  waitsForTheDead: () => {
    replace('join', (join) => (name, member, pattern, from) => join(name, member, pattern, from, 3_600_000));
  },
  forgetsAttempts: () => {
    replace(
      'commit',
      (commit) => (name, id, member, position) => commit(name, id, member, { ...position, attempts: [] }),
    );
  },
  /** Stores the end of what is settled, as if everything before a settled event were settled, too. */
  skipsWhatIsUnsettled: () => {
    replace('commit', (commit) => (name, id, member, { first, ahead, attempts }) => {
      commit(name, id, member, {
        first: Math.max(first, ...ahead.map((offset) => offset + 1)),
        ahead: [],
        attempts,
      });
    });
  },
  neverCommits: () => {
    replace('commit', () => () => {});
  },
  /** Stores what it has read, not what is settled. */
  acknowledgesEarly: () => {
    const owned = new Map<string, { name: string; member: string }>();
    replace('claim', (claim) => (name, id, member) => {
      owned.set(id, { name, member });
      return claim(name, id, member);
    });
    replace('read', (read, broker) => (id, offset, max) => {
      const records = read(id, offset, max);
      const owner = owned.get(id);
      if (owner !== undefined && records.length > 0)
        broker.commit(owner.name, id, owner.member, { ...beginning, first: offset + records.length });
      return records;
    });
    replace('commit', (commit) => (name, id, member, position) => {
      if (position.attempts === beginning.attempts) commit(name, id, member, position);
    });
  },
  /** A pattern that is added reads its topics from the beginning, although the group has handled them. */
  repeatsForPatterns: () => {
    const added = new Set<string>();
    replace('join', (join) => (name, member, pattern, from, leaseMs) => {
      if (/^[^.]+\.\*$/.test(pattern)) added.add(member);
      join(name, member, pattern, from, leaseMs);
    });
    replace('claim', (claim) => (name, id, member) => {
      const position = claim(name, id, member);
      return position !== undefined && added.has(member) ? beginning : position;
    });
  },
  /** Each member takes every partition, as if it were alone. */
  ownsEverything: () => {
    const own = new Set<string>();
    replace('join', (join) => (name, member, pattern, from, leaseMs) => {
      own.add(member);
      join(name, member, pattern, from, leaseMs);
    });
    replace('members', (members) => (name) => members(name).filter(({ id }) => own.has(id)));
    replace('claim', (claim) => (name, id, member) => claim(name, id, member) ?? beginning);
  },
  acceptsBeforeItIsWritten: () => {
    replace('append', (append) => (topic, key, bytes) => {
      setTimeout(() => append(topic, key, bytes), 50);
    });
  },
  /** A member renews its lease at the broker, and never doubts that it has it. */
  trustsItsLease: (leaseMs: number) => {
    replace('join', (join, broker) => (name, member, pattern, from) => {
      join(name, member, pattern, from, leaseMs);
      const renew = (): void => {
        broker.renew(name, member);
        broker.release(name, 'none', member);
      };
      setInterval(renew, leaseMs / 3).unref();
    });
  },
} satisfies Record<string, (leaseMs: number) => void>;

export type Fault = keyof typeof faults;

/** The log engine with a fault. Only child processes make it, because the fault is in every engine of the process. */
export const engineUnderTest: EngineUnderTest<{ readonly folder: string; readonly fault: Fault }> = ({
  id,
  stallLimitMs,
  leaseMs,
  config: { folder, fault },
}) => {
  faults[fault](leaseMs!);
  const leaseTimeout = fault === 'trustsItsLease' ? '1h' : leaseMs;
  return logEngine({ folder: `${folder}/${id}`, stallLimitMs, leaseTimeout });
};
