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
  test('gives out no more workers than it has', () => {
    const pool = new WorkerPool(2);
    const log: string[] = [];
    client('a', pool, log, 3).pump();
    expect(log).toEqual(['a', 'a']);
  });

  test('gives a returned worker to the next waiting subscription, in a separate microtask', async () => {
    const pool = new WorkerPool(1);
    const log: string[] = [];
    client('a', pool, log).pump();
    client('b', pool, log).pump();
    pool.release();
    expect(log).toEqual(['a']);
    await microtask();
    expect(log).toEqual(['a', 'b']);
  });

  test('serves waiting subscriptions in turn, and moves one that needs more workers to the end', async () => {
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

  test('wakes as many subscriptions as workers are returned at once', async () => {
    const pool = new WorkerPool(2);
    const log: string[] = [];
    client('a', pool, log, 2).pump();
    for (const name of ['b', 'c', 'd']) client(name, pool, log).pump();
    pool.release();
    pool.release();
    await microtask();
    expect(log).toEqual(['a', 'a', 'b', 'c']);
  });

  test('does not wake a subscription that was removed', async () => {
    const pool = new WorkerPool(1);
    const log: string[] = [];
    const [a, b, c] = [client('a', pool, log), client('b', pool, log), client('c', pool, log)];
    for (const one of [a, b, c]) one.pump();
    pool.forget(b);
    pool.release();
    await microtask();
    expect(log).toEqual(['a', 'c']);
  });

  test('passes a worker on if the subscription no longer needs it', async () => {
    const pool = new WorkerPool(1);
    const log: string[] = [];
    client('a', pool, log).pump();
    pool.tryAcquire({ pump: () => log.push('declined') });
    client('c', pool, log).pump();
    pool.release();
    await microtask();
    expect(log).toEqual(['a', 'declined', 'c']);
  });

  test('gives out no worker after it takes back a lent one, until two are free', async () => {
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
