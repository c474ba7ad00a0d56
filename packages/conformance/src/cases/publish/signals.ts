import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertCounts } from '../../support/stats.ts';
import { turns } from '../../support/eventually.ts';
import { rejection } from '../../support/rejects.ts';
import { assertSubscribers, assertTopics, roomy } from '../../support/subscriptions.ts';

const reason = new Error('given up');

/** Operations that are cancelled with an AbortSignal. */
export const signalCases: readonly ConformanceCase[] = defineCases('signals', [
  {
    name: 'publish(), subscribe() and start() reject with the reason of an already aborted signal and do nothing',
    rules: [12],
    async run(t) {
      const signal = AbortSignal.abort(reason);
      const fresh = await t.engine();
      assert.equal(await rejection(() => fresh.start({ signal }), 'the reason'), reason);
      assert.equal((await fresh.health()).status, 'down');
      await t.within(fresh.start(), 'start() to resolve after an aborted start()');
      const engine = await t.started();
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler, roomy);
      assert.equal(
        await rejection(() => engine.publish({ topic: t.topic(), payload: 1 }, { signal }), 'the reason'),
        reason,
      );
      assert.equal(
        await rejection(() => engine.subscribe(t.topic('b'), () => {}, { signal }), 'the reason'),
        reason,
      );
      assert.equal(
        await rejection(() => engine.subscribeAsync(t.topic('b'), () => {}, { signal }), 'the reason'),
        reason,
      );
      await t.quiet(engine);
      seen.assertCalls(0);
      assertSubscribers(engine, t.topic('b'), 0);
    },
  },
  {
    name: 'a signal that aborts during start() cancels it, and the engine can be started afterwards',
    rules: [8, 12],
    async run(t) {
      const engine = await t.engine();
      const controller = new AbortController();
      const starting = engine.start({ signal: controller.signal }).then(
        () => undefined,
        (error: unknown) => error,
      );
      controller.abort(reason);
      const outcome = await t.within(starting, 'start to settle');
      // An engine that opens immediately may have started before the signal aborted.
      if (outcome !== undefined) {
        assert.equal(outcome, reason);
        assert.equal((await engine.health()).status, 'down');
      }
      await t.within(engine.start(), 'start to resolve');
      assert.equal((await engine.health()).status, 'up');
      await t.publish(engine, t.topic(), 1);
    },
  },
  {
    name: 'a signal that aborts while publish() waits ends the wait, and every subscription still gets the event',
    rules: [3, 7],
    needs: { crossProcess: false },
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const [slow, fast] = [t.record(() => gate.opened), t.record()];
      await engine.subscribe(t.topic(), slow.handler, roomy);
      await engine.subscribe(t.topic(), fast.handler, roomy);
      const controller = new AbortController();
      const publishing = rejection(
        () => engine.publish({ topic: t.topic(), payload: 1 }, { signal: controller.signal }),
        'the reason',
      );
      await slow.begins(1);
      controller.abort(reason);
      assert.equal(await t.within(publishing, 'publish to settle'), reason);
      gate.open();
      await slow.ends(1);
      await fast.ends(1);
      await t.publish(engine, t.topic(), 2);
      await slow.ends(2);
    },
  },
  {
    name: 'a publish aborted before the event is sent never sends it: each publish either arrives or rejects',
    rules: [3, 7],
    async run(t) {
      const engine = await t.started();
      const seen = t.record<number>();
      await engine.subscribeAsync(t.topic(), seen.handler, roomy);
      const publisher = await t.elsewhere(engine);
      await t.publish(publisher, t.topic(), 0);
      const controller = new AbortController();
      const publishes = Array.from({ length: 20 }, (_, n) =>
        publisher.publish(
          { topic: t.topic(), payload: n + 1, key: `key-${n}` },
          { signal: controller.signal },
        ),
      );
      controller.abort(reason);
      const ends = await t.within(Promise.allSettled(publishes), 'each publish to settle');
      for (const end of ends) if (end.status === 'rejected') assert.equal(end.reason, reason);
      await t.publish(publisher, t.topic(), 21);
      await t.eventually(() => seen.payloads.includes(21), 'the later event to arrive');
      await t.quiet(engine);
      const resolved = ends.flatMap((end, n) => (end.status === 'fulfilled' ? [n + 1] : []));
      seen.assertPayloads([0, ...resolved, 21], 'the handler, of the publishes that resolved,');
    },
  },
  {
    name: 'a signal shared by 300 publishes has at most one listener, and none after they settle',
    rules: [12],
    async run(t) {
      const engine = await t.started();
      await engine.subscribeAsync(t.topic(), t.record().handler, roomy);
      const { signal } = new AbortController();
      const publishes = Array.from({ length: 300 }, (_, n) =>
        engine.publish({ topic: t.topic(), payload: n, key: `key-${n}` }, { signal }),
      );
      const settled = Promise.allSettled(publishes);
      let most = getEventListeners(signal, 'abort').length;
      await turns(1);
      most = Math.max(most, getEventListeners(signal, 'abort').length);
      assert.ok(most <= 1, `${most} listeners: Node warns of a leak at the eleventh`);
      const ends = await t.within(settled, '300 publishes to settle');
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
      const left = (): number => getEventListeners(signal, 'abort').length;
      await t.eventually(
        () => left() === 0,
        () => `${left()} listeners to be removed`,
      );
    },
  },
  {
    name: 'a signal that aborts during subscribe() leaves no subscription behind',
    rules: [1, 12],
    async run(t) {
      const engine = await t.started();
      const controller = new AbortController();
      const subscribing = engine
        .subscribe(t.topic(), () => {}, { signal: controller.signal })
        .then(
          () => undefined,
          (error: unknown) => error,
        );
      controller.abort(reason);
      const outcome = await t.within(subscribing, 'subscribe to settle');
      if (outcome !== undefined) assert.equal(outcome, reason);
      await t.eventually(() => engine.subscriberCount(t.topic()) === 0, 'no subscription to be left');
      await t.publish(engine, t.topic(), 1);
    },
  },
  {
    name: 'a signal that aborts after start() or publish() has resolved changes nothing',
    rules: [12],
    async run(t) {
      const engine = await t.engine();
      const controller = new AbortController();
      const { signal } = controller;
      await t.within(engine.start({ signal }), 'start to resolve');
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler, roomy);
      await t.within(engine.publish({ topic: t.topic(), payload: 1 }, { signal }), 'publish to resolve');
      controller.abort(reason);
      await t.publish(engine, t.topic(), 2);
      await seen.ends(2);
      assert.equal((await engine.health()).status, 'up');
    },
  },
  {
    name: 'publish() and subscribe() refuse a signal that is not an AbortSignal',
    rules: [12],
    async run(t) {
      const engine = await t.started();
      for (const signal of [null, {}, 'abort', 1] as never[]) {
        const subscribing = rejection(
          () => engine.subscribe(t.topic(), () => {}, { signal }),
          'INVALID_OPTION',
        );
        assert.equal(((await subscribing) as { code?: string }).code, 'INVALID_OPTION');
        const publishing = rejection(
          () => engine.publish({ topic: t.topic(), payload: 1 }, { signal }),
          'INVALID_OPTION',
        );
        assert.equal(((await publishing) as { code?: string }).code, 'INVALID_OPTION');
      }
      assertCounts(engine, { published: 0 });
      assertTopics(engine, []);
    },
  },
]);
