/* oxlint-disable vitest/valid-title -- the cases of the suite are registered here: their names are data. */
import { cases, runCase } from '@polybus/conformance';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { describe, test } from 'vitest';
import { kafkaEngine } from '../../src/index.ts';
import { producer } from './foreign.ts';
import { quick } from '../support.ts';

/** What depends on how an event is written; the suite has run over the rest. */
const behaviours: ReadonlySet<string> = new Set(['delivery', 'payloads', 'dead-letters', 'replay']);

describeWithBroker('kafka', 'the conformance cases of the wire format, binary mode', ({ brokers }) => {
  const list = [...brokers];
  const options = { deadlineMs: 30_000, ...producer(list) };
  const engine = () => kafkaEngine({ ...quick, brokers: list, contentMode: 'binary', numPartitions: 3 });
  describe.each(cases.filter(({ behaviour }) => behaviours.has(behaviour)))('$behaviour', (one) => {
    // Longer than the deadline of the longest case, so that the case itself reports what is missing.
    test(one.name, { timeout: 180_000 }, () => runCase(one, engine, options));
  });
});
