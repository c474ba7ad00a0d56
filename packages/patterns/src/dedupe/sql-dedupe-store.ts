import { InvalidOptionError } from '@polybus/core';
import { type OptionNames, assertOptionNames } from '@polybus/core/engine-kit';
import type { ClaimResult, DedupeStore } from './dedupe-store.ts';

/**
 * Runs one SQL statement with its values, and returns its rows; none if the statement returns none. The values belong to `$1`, `$2`, …
 * in PostgreSQL, and to each `?` in SQLite.
 */
export type SqlQuery = (
  text: string,
  values: readonly (string | number)[],
) => PromiseLike<readonly object[]> | readonly object[];

/** Options of {@link SqlDedupeStore}. */
export interface SqlDedupeStoreOptions {
  readonly dialect: 'postgresql' | 'sqlite';
  readonly query: SqlQuery;
  /** The name of the table, with its schema if it has one, such as `shop.handled_events`. Default `polybus_dedupe`. */
  readonly table?: string | undefined;
}

const optionNames: OptionNames<SqlDedupeStoreOptions> = { dialect: true, query: true, table: true };
const tableGrammar = /^(?:[A-Za-z_]\w{0,62}\.)?[A-Za-z_]\w{0,50}$/;

/** The time of the database as whole milliseconds, so that processes need no equal clocks. */
const now = {
  postgresql: '(extract(epoch from clock_timestamp()) * 1000)::bigint',
  sqlite: `cast((julianday('now') - 2440587.5) * 86400000 as integer)`,
};

/** How often a store deletes expired rows. */
const deleteEveryMs = 60_000;

/**
 * Keeps the ids in a table of PostgreSQL or SQLite. A claim is one statement, which the database runs atomically. The store opens no
 * connection: it passes statements to `query`. Create the table with {@link createTable}, or in a migration with {@link schema}.
 */
export class SqlDedupeStore implements DedupeStore {
  /** The statements that create the table and its index, unless they exist. */
  readonly schema: readonly string[];
  readonly #query: SqlQuery;
  readonly #statements: Statements;
  #deletedAt = performance.now();

  /** @throws {@link InvalidOptionError} or {@link UnknownOptionError} if an option is invalid. */
  constructor(options: SqlDedupeStoreOptions) {
    assertOptionNames('SqlDedupeStore', options, optionNames);
    const { dialect, query, table = 'polybus_dedupe' } = options;
    if (!Object.hasOwn(now, dialect))
      throw new InvalidOptionError('dialect', dialect, '"postgresql" or "sqlite"');
    if (typeof query !== 'function')
      throw new InvalidOptionError('query', query, 'a function (text, values) that returns rows');
    if (typeof table !== 'string' || !tableGrammar.test(table))
      throw new InvalidOptionError('table', table, 'a name of letters, digits and "_", or schema.name');
    this.schema = schemaOf(table);
    this.#query = query;
    this.#statements = statementsOf(table, now[dialect], dialect);
  }

  /** Creates the table and its index, unless they exist. */
  async createTable(): Promise<void> {
    for (const statement of this.schema) await this.#query(statement, []);
  }

  async claim(key: string, owner: string, claimMs: number): Promise<ClaimResult> {
    const claimed = await this.#query(this.#statements.claim, [key, owner, Math.ceil(claimMs)]);
    if (claimed.length > 0) return 'claimed';
    const found = await this.#query(this.#statements.findHandled, [key]);
    return found.length > 0 ? 'handled' : 'busy';
  }

  async extend(key: string, owner: string, claimMs: number): Promise<void> {
    await this.#query(this.#statements.extend, [Math.ceil(claimMs), key, owner]);
  }

  async complete(key: string, owner: string, ttlMs: number): Promise<void> {
    await this.#query(this.#statements.complete, [key, owner, Math.ceil(ttlMs)]);
    if (performance.now() - this.#deletedAt < deleteEveryMs) return;
    this.#deletedAt = performance.now();
    // The id is stored. An expired row only takes space, and the next call tries again.
    await this.deleteExpired().catch(() => {});
  }

  async release(key: string, owner: string): Promise<void> {
    await this.#query(this.#statements.release, [key, owner]);
  }

  /** Deletes expired rows. A store that handles events does so by itself, once a minute. */
  async deleteExpired(): Promise<void> {
    await this.#query(this.#statements.deleteExpired, []);
  }
}

type Statements = Readonly<
  Record<'claim' | 'findHandled' | 'extend' | 'complete' | 'release' | 'deleteExpired', string>
>;

function schemaOf(table: string): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${table} (event_key text PRIMARY KEY, owner text NOT NULL, ` +
      `handled smallint NOT NULL, expires_at bigint NOT NULL)`,
    // An index is in the schema of its table. In SQLite, the schema is part of the name of the index instead.
    `CREATE INDEX IF NOT EXISTS ${table.replace(/^.*\./, '')}_expires_at ON ${table} (expires_at)`,
  ];
}

function statementsOf(table: string, time: string, dialect: SqlDedupeStoreOptions['dialect']): Statements {
  // Each value is used once and in order: some clients of SQLite bind values only to a plain `?`.
  const [first, second, third] = dialect === 'sqlite' ? ['?', '?', '?'] : ['$1', '$2', '$3'];
  const upsert = (isHandled: 0 | 1): string =>
    `INSERT INTO ${table} AS t (event_key, owner, handled, expires_at) ` +
    `VALUES (${first}, ${second}, ${isHandled}, ${time} + ${third}) ON CONFLICT (event_key) DO UPDATE ` +
    `SET owner = excluded.owner, handled = excluded.handled, expires_at = excluded.expires_at`;
  return {
    claim:
      `${upsert(0)} WHERE t.expires_at <= ${time} OR (t.owner = excluded.owner AND t.handled = 0) ` +
      `RETURNING event_key`,
    findHandled: `SELECT event_key FROM ${table} WHERE event_key = ${first} AND handled = 1 AND expires_at > ${time}`,
    extend: `UPDATE ${table} SET expires_at = ${time} + ${first} WHERE event_key = ${second} AND owner = ${third} AND handled = 0`,
    complete: upsert(1),
    release: `DELETE FROM ${table} WHERE event_key = ${first} AND owner = ${second} AND handled = 0`,
    deleteExpired: `DELETE FROM ${table} WHERE expires_at <= ${time}`,
  };
}
