import assert from 'node:assert/strict';
import type { EngineHealth } from '@polybus/core';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { roomy } from '../../support/subscriptions.ts';

/** The limit that the engines of these cases are made with, in milliseconds. */
const stallLimitMs = 100;

/** `health()` reports a stalled subscription. */
export const stallCases: readonly ConformanceCase[] = defineCases('stalls', [
  {
    name: 'health() is degraded and names the topic while a hanging handler blocks queued events',
    rules: [13],
    async run(t) {
      const engine = await t.started({ stallLimitMs });
      const gate = t.gate();
      const seen = t.record(() => gate.opened);
      await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 1 });
      for (let n = 0; n < 3; n++) await t.publish(engine, t.topic(), n);
      await seen.begins(1);
      let health: EngineHealth | undefined;
      const hasStatus = async (status: EngineHealth['status']): Promise<boolean> => {
        health = await engine.health();
        return health.status === status;
      };
      const hint = (): string =>
        `is the engine made with the stallLimitMs that the factory is given? ${JSON.stringify(health)}`;
      await t.eventually(
        () => hasStatus('degraded'),
        () => `health to be degraded; ${hint()}`,
      );
      assert.equal(health?.state, 'started');
      assert.ok(health?.error?.includes(t.topic()), `the reason names the topic: ${health?.error}`);
      gate.open();
      await seen.ends(3);
      await t.eventually(
        () => hasStatus('up'),
        () => `health to be up again; ${hint()}`,
      );
      assert.equal(health?.error, undefined);
    },
  },
  {
    name: 'a long handler with nothing queued, or an event between two attempts, does not degrade health()',
    rules: [13],
    async run(t) {
      const engine = await t.started({ stallLimitMs });
      const gate = t.gate();
      const [long, failing, hanging] = [
        t.record(() => gate.opened),
        t.record(() => {
          throw new Error('once');
        }),
        t.record(() => gate.opened),
      ];
      const one = { ...roomy, concurrency: 1 };
      await engine.subscribeAsync(t.topic('long'), long.handler, one);
      const retry = { attempts: 2, backoff: { initialMs: 600_000, jitter: 'none' } } as const;
      const retrying = await engine.subscribeAsync(t.topic('retrying'), failing.handler, { ...one, retry });
      await engine.subscribeAsync(t.topic('hanging'), hanging.handler, one);
      await t.publish(engine, t.topic('long'), 1);
      await t.publish(engine, t.topic('retrying'), 1);
      await Promise.all([long.begins(1), failing.ends(1)]);
      // These two have been waiting for longer than the handler that `health()` must report.
      for (let n = 0; n < 2; n++) await t.publish(engine, t.topic('hanging'), n);
      await hanging.begins(1);
      let error: string | undefined;
      await t.eventually(async () => {
        ({ error } = await engine.health());
        return error?.includes(t.topic('hanging')) === true;
      }, 'health() to report the hanging handler');
      for (const topic of [t.topic('long'), t.topic('retrying')])
        assert.ok(error?.includes(topic) === false, `health() reports ${topic}: ${error}`);
      await retrying.cancel();
    },
  },
]);
