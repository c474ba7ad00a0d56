/** Starts two child processes, freezes one of them, prints their ids, and waits to be killed. */
import { memoryEngine } from '@polybus/engine-memory';
// Without the cases, because Node.js 22 loads this file by itself and does not know `await using`.
import { CaseContext } from '../../src/case-context.ts';

const t = new CaseContext(() => memoryEngine(), {
  processes: { module: new URL('./in-one-process.ts', import.meta.url) },
});
const [running, frozen] = await Promise.all([t.process(), t.process()]);
frozen.freeze();
console.log(JSON.stringify([running.pid, frozen.pid]));
