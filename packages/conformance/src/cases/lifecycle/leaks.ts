import assert from 'node:assert/strict';
import { getEventListeners, setMaxListeners } from 'node:events';
import type { Engine } from '@polybus/core/engine';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { turns } from '../../support/eventually.ts';
import { ResourceWatch } from '../../support/resources.ts';
import { attempts, roomy } from '../../support/subscriptions.ts';

/** Uses an engine, and asserts that it leaves no timer, socket or other handle behind. */
async function assertLeavesNothing(t: CaseContext, use: (engine: Engine) => Promise<void>): Promise<void> {
  const watch = new ResourceWatch();
  try {
    await watch.run(async () => use(await t.started()));
    const left = (): string => `no resource to be left behind:\n${watch.left.join('\n')}`;
    await t.eventually(() => watch.left.length === 0, left);
  } finally {
    watch.end();
  }
}

const fail = (): never => {
  throw new Error('always');
};

/** `stop` releases every resource. */
export const leakCases: readonly ConformanceCase[] = defineCases('leaks', [
  {
    name: 'no timer, socket or other handle is left after stop()',
    rules: [8],
    async run(t) {
      await assertLeavesNothing(t, async (engine) => {
        const seen = t.record<number>((_, { attempt }) => {
          if (attempt === 1) fail();
        });
        const options = { ...roomy, retry: attempts(2), handlerTimeoutMs: 600_000 };
        await engine.subscribe(t.topic(), seen.handler, options);
        await engine.subscribeAsync(t.topic('*'), () => turns(1), options);
        await t.publishNumbers(engine, t.topic(), 10);
        await seen.ends(20);
        await t.within(engine.stop(), 'stop to resolve');
      });
    },
  },
  {
    name: 'no handle is left after a stop() that gave up on handlers with a timeout and on pending retries',
    rules: [8],
    async run(t) {
      const gate = t.gate();
      await assertLeavesNothing(t, async (engine) => {
        const backoff = { initialMs: 600_000, maxMs: 600_000, jitter: 'none' } as const;
        const options = { ...roomy, retry: { attempts: 3, backoff }, handlerTimeoutMs: 600_000 };
        const [hangs, fails] = [t.record(() => gate.opened), t.record(fail)];
        await engine.subscribeAsync(t.topic('hangs'), hangs.handler, options);
        await engine.subscribeAsync(t.topic('fails'), fails.handler, options);
        await t.publish(engine, t.topic('hangs'), 1);
        await t.publish(engine, t.topic('fails'), 1);
        await hangs.begins(1);
        await fails.ends(1);
        const outcome = await engine.stop({ timeoutMs: 5 }).then(
          () => undefined,
          (error: { code?: string }) => error.code,
        );
        assert.equal(outcome, 'SHUTDOWN_TIMEOUT');
      });
    },
  },
  {
    name: 'no handle is left after subscriptions were cancelled while busy and the engine was restarted',
    rules: [8],
    async run(t) {
      await assertLeavesNothing(t, async (engine) => {
        for (let life = 0; life < 2; life++) {
          await engine.start();
          const backoff = { initialMs: 600_000, maxMs: 600_000, jitter: 'none' } as const;
          const fails = t.record(fail);
          const options = { ...roomy, retry: { attempts: 3, backoff } };
          const subscription = await engine.subscribeAsync(t.topic(), fails.handler, options);
          await t.publish(engine, t.topic(), 1);
          await fails.ends(1);
          await t.within(subscription.cancel(), 'cancel to resolve');
          await t.within(engine.stop(), 'stop to resolve');
        }
      });
    },
  },
  {
    name: 'no handle is left after an aborted start()',
    rules: [8],
    async run(t) {
      const watch = new ResourceWatch();
      try {
        await watch.run(async () => {
          const engine = await t.engine();
          const controller = new AbortController();
          const starting = engine.start({ signal: controller.signal });
          controller.abort(new Error('given up'));
          await t.within(Promise.allSettled([starting]), 'start to settle');
          await t.within(engine.stop(), 'stop to resolve');
        });
        await t.eventually(
          () => watch.left.length === 0,
          () => `no resource to be left behind:\n${watch.left.join('\n')}`,
        );
      } finally {
        watch.end();
      }
    },
  },
  {
    name: 'a stopped engine leaves no listener on the signals that callers passed',
    rules: [8],
    async run(t) {
      const controller = new AbortController();
      const { signal } = controller;
      // Node.js warns about many listeners on one signal; this case adds many on purpose.
      setMaxListeners(100, signal);
      const engine = await t.engine();
      await engine.start({ signal });
      for (let n = 0; n < 5; n++) {
        const subscription = await engine.subscribe(t.topic(), () => turns(1), { ...roomy, signal });
        await t.within(engine.publish({ topic: t.topic(), payload: n }, { signal }), 'publish to resolve');
        if (n % 2 === 0) await subscription.cancel();
      }
      await t.within(engine.stop({ signal }), 'stop to resolve');
      assert.equal(getEventListeners(signal, 'abort').length, 0);
    },
  },
]);
