import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { Application } from '../../../examples/host-application/src/application.ts';
import type { Module } from '../../../examples/host-application/src/module.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const program = 'examples/host-application/src/main.ts';

test('the example of a host application runs, and prints what its modules do', async () => {
  const args = ['--import', 'tsx', '--conditions=@polybus/source', program];
  // Rejects if the exit code is not 0.
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  const lines = stdout.trimEnd().split('\n');
  const stopping = lines.indexOf('stopping');
  // Async handlers run concurrently, so the test compares the order only of lines that have one.
  expect(lines.slice(0, 6)).toEqual([
    'event: config.loaded',
    'event: bus.started',
    'event: topic.created audit.*',
    'event: subscription.created audit.*',
    'event: topic.created order.placed',
    'event: subscription.created order.placed',
  ]);
  const work = lines.slice(6, -14).filter((line) => line !== 'stopping');
  expect(work.toSorted()).toEqual([
    'audit: Thank you for o-1',
    'audit: Thank you for o-3',
    'event: message.failed order.placed dead-letter',
    'event: message.failed order.placed retry',
  ]);
  expect(lines.slice(-14)).toEqual([
    'event: subscription.removed audit.*',
    'event: topic.deleted audit.*',
    'event: subscription.removed order.placed',
    'event: topic.deleted order.placed',
    'event: bus.stopped',
    'eventbus.published_count 6',
    'eventbus.delivered_count 5',
    'eventbus.dropped_count 0',
    'eventbus.pending_count 0',
    'eventbus.failed_count 1',
    'eventbus.retried_count 1',
    'eventbus.dead_lettered_count 1',
    'eventbus.topic_count 0',
    'eventbus.subscriber_count 0',
  ]);
  expect(stopping).toBeGreaterThan(5);
  expect(stopping).toBeLessThan(lines.length - 14);
});

/** Modules that record their calls, and fail in the calls that the test selects. */
function application(...failing: string[]) {
  const calls: string[] = [];
  const module = (name: string): Module => {
    const step = (what: string) => async (): Promise<void> => {
      calls.push(`${what} ${name}`);
      if (failing.includes(`${what} ${name}`)) throw new Error(`no ${what} ${name}`);
    };
    return {
      name,
      init: () => {},
      start: step('start'),
      preStop: step('preStop'),
      stop: step('stop'),
    };
  };
  const host = new Application({});
  host.add(module('a'), module('b'), module('c'));
  return { host, calls };
}

test('a module that does not drain does not prevent other modules from stopping', async () => {
  const { host, calls } = application('preStop b');
  await host.start();
  calls.length = 0;
  await expect(host.stop()).rejects.toThrow('no preStop b');
  expect(calls).toEqual(['preStop c', 'preStop b', 'preStop a', 'stop c', 'stop b', 'stop a']);
  const both = application('preStop c', 'stop b');
  await both.host.start();
  await expect(both.host.stop()).rejects.toMatchObject({
    errors: [{ message: 'no preStop c' }, { message: 'no stop b' }],
  });
  expect(both.calls.at(-1)).toBe('stop a');
});

test('if a module does not start, the modules that have started are stopped', async () => {
  const { host, calls } = application('start b');
  await expect(host.start()).rejects.toThrow('no start b');
  expect(calls).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  calls.length = 0;
  await host.stop();
  expect(calls).toEqual([]);
});
