/** Runs the conformance suite on each engine of the documentation, and writes the result of each case. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { root } from '../test/docs/blocks.ts';
import { engineVariants } from './engine-variants.ts';

const suites = (await engineVariants()).map(({ suite }) => suite);
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
const reporter = fileURLToPath(new URL('suite-reporter.ts', import.meta.url));
// An engine has one result. The suite also runs with the second client library of Kafka, in a project of its own.
const projects = '--project=!engine-kafka-platformatic';
const args = [vitest, 'run', projects, '--reporter=default', `--reporter=${reporter}`, ...suites];
const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
[process.exitCode] = (await once(child, 'exit')) as [number];
