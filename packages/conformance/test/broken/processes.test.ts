import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, test, vi } from 'vitest';
import { logEngine } from '../../../../examples/log-engine/src/index.ts';
import type { ConformanceOptions, EngineUnderTest } from '../../src/index.ts';
import type { Fault } from '../processes/faulty.ts';
import { type BrokenEngine, describeBroken } from './broken-engine.ts';

// Each test runs its case twice, in several processes.
vi.setConfig({ testTimeout: 300_000 });

const folder = mkdtempSync(join(tmpdir(), 'conformance-processes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Publishes for the case in this process, and has no fault. */
const publisher: EngineUnderTest = ({ id }) => logEngine({ folder: join(folder, id) });

function optionsFor(module: string, fault: Fault): ConformanceOptions {
  return {
    // Long enough to start processes on a busy machine.
    deadlineMs: 10_000,
    config: { folder, fault },
    processes: {
      module: new URL(`../processes/${module}.ts`, import.meta.url),
      leaseMs: 3000,
      takeoverWithinMs: 10_000,
      attemptsCount: 'after-kill',
    },
  };
}

function faulty(wrong: string, foundBy: string, because: string, fault: Fault): BrokenEngine {
  return {
    wrong,
    foundBy,
    because,
    engine: publisher,
    options: optionsFor('faulty', fault),
    intact: publisher,
    intactOptions: optionsFor('faulty', 'none'),
  };
}

/** What an engine can do wrong between processes. One after the other: each case starts several processes. */
describe('the suite finds an engine that', () => {
  describeBroken(
    [
      {
        wrong: 'reaches other engines in its process only',
        foundBy: 'three child processes each get every event',
        because: 'to get the events of the processes 1, 2 and 3; it got those of 1',
        engine: publisher,
        options: optionsFor('in-one-process', 'none'),
        intact: publisher,
        intactOptions: optionsFor('faulty', 'none'),
      },
      faulty(
        'resolves publish before the broker has the event, in a process that is killed',
        'an event arrives in other processes if its publisher is killed',
        'whose publish resolved before the publisher was killed; missing 0, 1, 2',
        'acceptsBeforeItIsWritten',
      ),
      faulty(
        'resolves publish before the broker has the delayed event, in a process that is killed',
        'a delayed event arrives in other processes if its publisher is killed',
        'the delayed events of the publisher that was killed; missing 0, 1, 2',
        'acceptsBeforeItIsWritten',
      ),
      faulty(
        'never takes over the events of a dead member',
        'if a member is killed, another member begins',
        'in whose handler process 1 was killed',
        'waitsForTheDead',
      ),
      faulty(
        'settles an unsettled event with a later event, and loses it with its member',
        'if a member is killed, another member begins',
        'in whose handler process 1 was killed',
        'skipsWhatIsUnsettled',
      ),
      faulty(
        'does not store attempts',
        'if a member is killed, another member begins',
        'expected attempt 2 in process 2, got 1: process 1 was killed',
        'forgetsAttempts',
      ),
      faulty(
        'does not store the attempts of a member that stops',
        'an event whose attempt failed at a stopped member',
        'expected attempt 2 in process 2, got 1',
        'forgetsAttempts',
      ),
      faulty(
        'does not store what was settled before SIGTERM',
        'if a member stops on SIGTERM under load',
        'which process 1 had handled to the end',
        'neverCommits',
      ),
      faulty(
        'acknowledges what a member has read, and loses it with the member',
        'a group loses no event and keeps order per key while members in child processes',
        'every published event to be handled',
        'acknowledgesEarly',
      ),
      faulty(
        'repeats settled events for a second pattern of the group',
        'members on topics and patterns in several processes',
        'had handled to the end',
        'repeatsForPatterns',
      ),
      faulty(
        'gives a partition to several members while members join',
        'a group handles a burst while members',
        'expected each event once and in order per key, but process',
        'ownsEverything',
      ),
      faulty(
        'continues after a freeze with events that others have',
        'a member that was frozen for longer than its lease',
        'expected each event once and in order per key, but process 1 began event',
        'trustsItsLease',
      ),
    ],
    test,
  );
});
