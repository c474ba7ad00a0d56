import assert from 'node:assert/strict';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { turns } from '../../support/eventually.ts';
import { roomy } from '../../support/subscriptions.ts';

const codeOf = (error: unknown): string => (error as { code?: string }).code ?? `no code: ${String(error)}`;

/** Outages of the broker. These cases need the broker for themselves. */
export const reconnectCases: readonly ConformanceCase[] = defineCases('reconnect', [
  {
    name: 'subscriptions and publishers recover from two restarts of the broker',
    rules: [9],
    needs: { crossProcess: true },
    isDisruptive: true,
    async run(t) {
      const engine = await t.started();
      const publisher = await t.started();
      const seen = t.record<number>();
      await engine.subscribe(t.topic(), seen.handler, roomy);
      const acknowledged: number[] = [];
      for (let n = 0; n < 60; n++) {
        if (n === 20 || n === 40) await t.broker.restart();
        const outcome = await t.within(
          publisher.publish({ topic: t.topic(), payload: n }).then(() => 'published', codeOf),
          'publish to settle',
        );
        assert.match(outcome, /^published$|^[A-Z_]+$/, 'publish rejected with an error that has no code');
        if (outcome === 'published') acknowledged.push(n);
      }
      let probe = 1000;
      await t.eventually(async () => {
        await publisher.publish({ topic: t.topic(), payload: probe++ }).catch(() => {});
        return seen.payloads.some((n) => n >= 1000);
      }, 'events to arrive again');
      if (!engine.capabilities.durable) return;
      const missing = (): number[] => acknowledged.filter((n) => !seen.payloads.includes(n));
      await t.eventually(
        () => missing().length === 0,
        () => `the acknowledged events; missing ${missing().join()}`,
      );
    },
  },
  {
    name: 'every publish settles during a restart of the broker, and a durable engine loses no event whose publish resolved',
    rules: [9],
    needs: { crossProcess: true },
    isDisruptive: true,
    async run(t) {
      const [engine, publisher] = [await t.started(), await t.started()];
      const seen = t.record<number>();
      await engine.subscribe(t.topic(), seen.handler, roomy);
      const accepted: number[] = [];
      const over = new AbortController();
      let next = 0;
      const publishOn = async (key: string): Promise<void> => {
        while (!over.signal.aborted) {
          const n = next++;
          const publishing = publisher.publish({ topic: t.topic(), payload: n, key });
          const outcome = await t.within(
            publishing.then(() => 'published', codeOf),
            `publish ${n} to settle`,
          );
          assert.match(outcome, /^published$|^[A-Z_]+$/, 'publish rejected with an error that has no code');
          if (outcome === 'published') accepted.push(n);
          await turns(1);
        }
      };
      const goOn = (count: number): Promise<void> => {
        const goal = accepted.length + count;
        return t.eventually(() => accepted.length >= goal, `${count} more events to be accepted`);
      };
      const publishing = Promise.all(['a', 'b', 'c', 'd'].map(publishOn));
      // It is awaited below.
      publishing.catch(() => {});
      try {
        await goOn(20);
        await Promise.race([t.broker.restart(), publishing]);
        const first = next;
        await goOn(20);
        // The publisher may be back before the subscriber is, and what keeps nothing loses what comes between.
        if (!engine.capabilities.durable)
          await t.eventually(
            () => seen.payloads.some((n) => n >= first),
            'an event that was published after the restart',
          );
      } finally {
        over.abort();
        await publishing;
      }
      const wanted = engine.capabilities.durable ? accepted : accepted.slice(-1);
      const missing = (): number[] => {
        const got = new Set(seen.payloads);
        return wanted.filter((n) => !got.has(n));
      };
      await t.eventually(
        () => missing().length === 0,
        () => `the accepted events; missing ${missing().join()}`,
      );
    },
  },
  {
    name: 'while the broker is unreachable, publish() settles, health() is not up, and stop() ends within its timeout',
    rules: [8, 9],
    needs: { crossProcess: true },
    isDisruptive: true,
    async run(t) {
      const [engine, other] = [await t.started(), await t.started()];
      await engine.subscribe(t.topic(), () => {}, roomy);
      await t.broker.pause();
      try {
        const publishing = other.publish({ topic: t.topic(), payload: 1 }).then(() => 'published', codeOf);
        await t.eventually(
          async () => (await t.within(engine.health(), 'health to resolve')).status !== 'up',
          'health not up',
        );
        await t.within(
          engine.stop({ timeoutMs: 100 }).catch(() => {}),
          'stop to settle while the broker is unreachable',
        );
        await t.broker.resume();
        assert.match(await t.within(publishing, 'publish to settle'), /^published$|^[A-Z_]+$/);
      } finally {
        await t.broker.resume();
      }
      await t.eventually(async () => (await other.health()).status === 'up', 'health to be up again');
    },
  },
]);
