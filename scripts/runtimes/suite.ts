// Runs the conformance suite on the memory engines, on the runtime that runs this program. Vitest itself runs on Node.js only.
// usage: suite.ts [CASE]
//   CASE  only the cases whose name contains this text
import { type EngineUnderTest, appliesTo, cases, runCase } from '@polybus/conformance';
import { durableMemoryEngine, memoryEngine } from '@polybus/engine-memory';

const engines: Readonly<Record<string, EngineUnderTest>> = {
  memory: ({ stallLimitMs }) => memoryEngine({ stallLimitMs }),
  'durable-memory': ({ stallLimitMs }) => durableMemoryEngine({ stallLimitMs }),
};
/** Both engines have the same. */
const { capabilities } = memoryEngine();
const [text = ''] = process.argv.slice(2);
// Handlers of the cases fail on purpose, and the engines log it.
for (const level of ['debug', 'info', 'warn', 'error'] as const) console[level] = () => {};
let passed = 0;
let failed = 0;
for (const [name, factory] of Object.entries(engines)) {
  for (const one of cases.filter((each) => appliesTo(each, capabilities) && each.name.includes(text))) {
    try {
      await runCase(one, factory);
      passed++;
    } catch (error) {
      failed++;
      console.log(`FAIL  ${name}: ${one.name}\n`, error);
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
