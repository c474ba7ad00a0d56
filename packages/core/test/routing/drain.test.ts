import { expect, test } from 'vitest';
import type { DeliveryStats } from '../../src/index.ts';
import { type Engine, createEngine, createEvent, createRouter } from '../../src/engine/index.ts';
import { ManualTransport, turn } from '../transport-support.ts';

function engineOf(transport: ManualTransport): Engine {
  return createEngine({
    type: 'test',
    capabilities: { durable: false, groups: false, replay: false, partitioned: false, crossProcess: false },
    open: transport.open,
  });
}

/** Two engines. While the second engine drains, `work` runs, and the second engine reports its result as its statistics. */
async function twoEngines(
  work: () => Partial<DeliveryStats>,
): Promise<{ router: Engine; first: ManualTransport }> {
  const first = new ManualTransport();
  const second = engineOf(new ManualTransport());
  const before = second.stats();
  let counts: Partial<DeliveryStats> = { enqueued: 5, released: 0 };
  let isDone = false;
  second.stats = () => ({ ...before, ...counts });
  second.drain = async () => {
    if (!isDone) counts = work();
    isDone = true;
  };
  const router = createRouter({
    engines: [
      { name: 'first', engine: engineOf(first) },
      { name: 'second', engine: second },
    ],
  });
  await router.start();
  return { router, first };
}

test('drain waits for an event that arrives while another engine releases one', async () => {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const { router, first } = await twoEngines(() => {
    first
      .receiver('t')
      .deliver(createEvent({ topic: 't', payload: 1 }), { settled: () => {}, release: () => true });
    return { enqueued: 4, released: 1 };
  });
  await router.subscribe('t', () => opened);
  let isDrained = false;
  const drained = router.drain!().then(() => (isDrained = true));
  await turn();
  await turn();
  expect(isDrained).toBe(false);
  open();
  await drained;
  await router.stop();
});

test.each(['released', 'enqueued'] as const)(
  'drain ends although an engine does not count %s',
  async (name) => {
    const { router } = await twoEngines(() => ({ [name]: undefined }) as Partial<DeliveryStats>);
    await router.drain!();
    await router.stop();
  },
);
