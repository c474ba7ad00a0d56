import { describeCases } from '../src/describe-engine.ts';
import { cases } from '../src/index.ts';
import { logEngines } from './log/log-engine.ts';

// The suite's cases for brokers, on an engine that has every capability. Its broker is in this process, and cannot be reached from child
// processes: the log engine of the examples passes the cases that start them.
const inThisProcess = cases.filter(({ behaviour }) => !behaviour.startsWith('process-'));
const { factory, options } = logEngines();
describeCases('log', inThisProcess, factory, options);
