import { describe, expect, test } from 'vitest';
import { type PoolClient, WorkerPool } from '../../src/dispatch/workers/worker-pool.ts';

/** Takes a worker each time it is pumped, as long as it wants one, and notes so in the log. */
function client(name: string, pool: WorkerPool, log: string[], wants = 1): PoolClient {
  let left = wants;
  return {
    pump() {
      while (left > 0 && pool.tryAcquire(this)) {
        left--;
        log.push(name);
      }
    },
  };
}

const microtask = (): Promise<void> => Promise.resolve();

describe('WorkerPool', () => {
  test('gives out no more workers than there are', () => {
    const pool = new WorkerPool(2);
    const log: string[] = [];
    client('a', pool, log, 3).pump();
    expect(log).toEqual(['a', 'a']);
  });

  test('a worker that is given back goes to who waits, in a microtask of its own', async () => {
    const pool = new WorkerPool(1);
    const log: string[] = [];
    client('a', pool, log).pump();
    client('b', pool, log).pump();
    pool.release();
    expect(log).toEqual(['a']);
    await microtask();
    expect(log).toEqual(['a', 'b']);
  });

  test('those that wait are served in turn, and one that wants more goes to the end', async () => {
    const pool = new WorkerPool(1);
    const log: string[] = [];
    pool.tryAcquire({ pump: () => {} });
    for (const name of ['a', 'b', 'c']) client(name, pool, log, 2).pump();
    for (let i = 0; i < 6; i++) {
      pool.release();
      await microtask();
    }
    expect(log).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  test('several that are given back at once wake as many as wait', async () => {
    const pool = new WorkerPool(2);
    const log: string[] = [];
    client('a', pool, log, 2).pump();
    for (const name of ['b', 'c', 'd']) client(name, pool, log).pump();
    pool.release();
    pool.release();
    await microtask();
    expect(log).toEqual(['a', 'a', 'b', 'c']);
  });

  test('one that is forgotten is not woken', async () => {
    const pool = new WorkerPool(1);
    const log: string[] = [];
    const [a, b, c] = [client('a', pool, log), client('b', pool, log), client('c', pool, log)];
    for (const one of [a, b, c]) one.pump();
    pool.forget(b);
    pool.release();
    await microtask();
    expect(log).toEqual(['a', 'c']);
  });

  test('one that no longer wants its worker passes the turn on', async () => {
    const pool = new WorkerPool(1);
    const log: string[] = [];
    client('a', pool, log).pump();
    pool.tryAcquire({ pump: () => log.push('declined') });
    client('c', pool, log).pump();
    pool.release();
    await microtask();
    expect(log).toEqual(['a', 'declined', 'c']);
  });

  test('a lent worker that is taken back may be one too many, and is missing until two are free', async () => {
    const pool = new WorkerPool(1);
    const log: string[] = [];
    client('lender', pool, log).pump();
    pool.release();
    client('borrower', pool, log).pump();
    pool.reacquire();
    client('next', pool, log).pump();
    pool.release();
    await microtask();
    expect(log).toEqual(['lender', 'borrower']);
    pool.release();
    await microtask();
    expect(log).toEqual(['lender', 'borrower', 'next']);
  });
});
