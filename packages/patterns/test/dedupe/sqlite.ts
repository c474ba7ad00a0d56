import sqlite from 'node-sqlite3-wasm';
import { onTestFinished } from 'vitest';

/** Opens a SQLite file, and returns the function that a store needs. Closes the file when the test ends. */
export function openSqlite(file: string): (text: string, values: readonly (string | number)[]) => object[] {
  const database = new sqlite.Database(file);
  onTestFinished(() => database.close());
  return (text, values) => database.all(text, [...values]);
}
