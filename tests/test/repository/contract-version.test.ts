import { createEventBus } from '@polybus/core';
import { type Engine, contractVersion, registerEngine } from '@polybus/core/engine';
import { memoryEngine } from '@polybus/engine-memory';
import { expect, test } from 'vitest';

const stamp = Symbol.for('polybus.contract');

/** A working engine, as a copy of core with another contract would have made it. */
const engineOfContract = (version: unknown): Engine =>
  Object.defineProperty(memoryEngine(), stamp, { value: version });

const started = async (engine: Engine): Promise<void> => {
  await using bus = createEventBus({ engines: [{ name: 'log', engine }] });
  await bus.start();
};

test('an engine of this contract version, and an engine without one, are accepted', async () => {
  await started(memoryEngine());
  await started(engineOfContract(contractVersion));
  await started(engineOfContract(undefined));
});

test('an engine for a newer contract is refused, and the error says to update core', () => {
  expect(() =>
    createEventBus({ engines: [{ name: 'log', engine: engineOfContract(contractVersion + 1) }] }),
  ).toThrow(
    expect.objectContaining({
      code: 'CONTRACT_VERSION',
      engine: 'log',
      message:
        `The engine "log" (type "memory") uses version ${contractVersion + 1} of the engine contract, and this bus uses ` +
        `version ${contractVersion}. Update the bus: npm install @polybus/core@latest. "npm ls @polybus/core" shows which package depends on which version.`,
    }),
  );
});

test('an engine for an older contract is refused, and the error says to update its package', () => {
  expect(() =>
    createEventBus({ engines: [{ name: 'log', engine: engineOfContract(contractVersion - 1) }] }),
  ).toThrow(/"log" \(type "memory"\).*Update the package of the engine "memory"/);
});

test('an engine that is found by its type is refused at start', async () => {
  registerEngine('of-tomorrow', () => engineOfContract(contractVersion + 1));
  const bus = createEventBus({ engine: 'of-tomorrow' });
  await expect(bus.start()).rejects.toMatchObject({ code: 'CONTRACT_VERSION' });
});
