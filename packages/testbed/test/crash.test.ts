import { expect, onTestFinished, test } from 'vitest';
import { describeWithBroker } from '../src/vitest/vitest.ts';
import { runNode, typescript } from './support/child.ts';
import { traces } from './support/leftovers.ts';

const START_MS = 60_000;
const hang = new URL('fixtures/start-and-hang.ts', import.meta.url);

function portsIn(addresses: string): readonly number[] {
  return [...addresses.matchAll(/:(\d+)/g)].map(([, port]) => Number(port));
}

describeWithBroker('redis', 'a process that started brokers', () => {
  test.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)(
    'ended by %s, leaves nothing behind',
    { timeout: 90_000 },
    async (signal) => {
      const left = traces();
      onTestFinished(left.clear);
      const child = runNode(typescript(hang), left.env);
      onTestFinished(() => {
        child.signal('SIGKILL');
      });
      const [line] = await child.sees(/^\[.*\]$/m, START_MS);
      const ports = portsIn(line);
      const running = (await left.left(ports)).join('\n');
      for (const port of ports)
        expect(running, 'the traces find what runs').toContain(`port ${String(port)}`);
      expect(running).toMatch(/^(process .*watchdog|container )/m);
      child.signal(signal);
      expect(await child.ended).toBe(signal);
      expect(await left.gone(ports)).toEqual([]);
    },
  );
});
