import type { DisturbanceKind, Entry, Ledger } from '../../chaos/ledger/entries.ts';
import { type History, historyOf } from '../../chaos/check/history.ts';

/** Ledgers that are written by hand, with times in seconds. */
export class HandMade {
  readonly #ledgers = new Map<string, Entry[]>();
  #count = 0;

  /** A publish that settles a moment later, or never. */
  publish(at: number, id: string, more: PublishDetails = {}): this {
    const { key = 'k', seq = 0, outcome = 'accepted', settledAt = at + 0.001 } = more;
    this.#write('p', { at: at * 1000, is: 'publish', id, key, seq });
    if (outcome === 'accepted') this.#write('p', { at: settledAt * 1000, is: 'accepted', id });
    if (outcome === 'rejected')
      this.#write('p', { at: settledAt * 1000, is: 'rejected', id, code: 'X', why: 'y' });
    return this;
  }

  subscribe(process: string, sub: string, from: number, until?: number): this {
    this.#write(process, { at: from * 1000, is: 'subscribed', sub });
    if (until !== undefined) this.#write(process, { at: until * 1000, is: 'closing', sub });
    return this;
  }

  /** A handler from `begin` to `end`; without an end, it never ended. */
  handle(process: string, id: string, begin: number, end?: number, more: HandlerDetails = {}): this {
    const { sub = 'group', key = 'k', seq = 0, attempt = 1, ok = true } = more;
    const n = this.#count++;
    this.#write(process, { at: begin * 1000, is: 'begin', sub, n, id, key, seq, attempt });
    if (end !== undefined) this.#write(process, { at: end * 1000, is: 'end', n, ok });
    return this;
  }

  giveUp(process: string, sub: string, at: number, id: string, outcome: string): this {
    this.#write(process, { at: at * 1000, is: 'given-up', sub, id, outcome });
    return this;
  }

  gap(process: string, since: number, until: number): this {
    this.#write(process, { at: until * 1000, is: 'gap', since: since * 1000, until: until * 1000 });
    return this;
  }

  stall(process: string, from: number, until: number): this {
    this.#write(process, { at: from * 1000, is: 'stall' });
    this.#write(process, { at: until * 1000, is: 'stall-end' });
    return this;
  }

  stop(process: string, at: number, dropped: number): this {
    this.#write(process, { at: at * 1000, is: 'stopped', dropped });
    return this;
  }

  disturb(how: DisturbanceKind, from: number, until: number, process?: string): this {
    const whose = process === undefined ? {} : { process };
    const times = { at: until * 1000, from: from * 1000, until: until * 1000 };
    this.#write('runner', { is: 'disturbed', how, ...times, ...whose });
    return this;
  }

  lastMember(at: number): this {
    this.#write('runner', { at: at * 1000, is: 'last-member' });
    return this;
  }

  history(): History {
    const ledgers = [...this.#ledgers].map(([process, entries]): Ledger => ({ process, entries }));
    return historyOf(ledgers);
  }

  #write(process: string, entry: Entry): void {
    const entries = this.#ledgers.get(process);
    if (entries === undefined) this.#ledgers.set(process, [entry]);
    else entries.push(entry);
  }
}

interface PublishDetails {
  readonly key?: string;
  readonly seq?: number;
  readonly settledAt?: number;
  readonly outcome?: 'accepted' | 'rejected' | 'unknown';
}

interface HandlerDetails {
  readonly sub?: string;
  readonly key?: string;
  readonly seq?: number;
  readonly attempt?: number;
  readonly ok?: boolean;
}
