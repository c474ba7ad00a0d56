import { expect, test } from 'vitest';
import type { SubscribeOptions } from '../../src/index.ts';
import { type Engine, type Receiver, createEngine, createEvent } from '../../src/engine/index.ts';
import { ManualTransport, turn } from '../transport-support.ts';

/** A subscription whose ownership the test says, and what became of its events. */
class Owned {
  readonly log: string[] = [];
  readonly transport: ManualTransport = new ManualTransport();
  readonly engine: Engine = createEngine({
    type: 'test',
    capabilities: { durable: true, groups: true, replay: false, partitioned: false, crossProcess: true },
    open: (context) => this.transport.open(context),
    defaults: { workerCount: 2 },
  });
  owns = true;

  async subscribe(isAsync: boolean, options: SubscribeOptions = {}, topic = 't'): Promise<Receiver> {
    await this.engine.start();
    const handler = ({ payload }: { payload: string }, { attempt }: { attempt: number }): void => {
      this.log.push(`${payload} ${attempt}`);
      if (payload === 'bad') throw new Error('always');
    };
    await (isAsync
      ? this.engine.subscribeAsync<string>(topic, handler, options)
      : this.engine.subscribe<string>(topic, handler, options));
    const receiver = this.transport.receiver(topic);
    receiver.mayBegin = () => this.owns;
    return receiver;
  }

  hand(receiver: Receiver, payload: string, previousAttempts = 0): void {
    receiver.deliver(
      createEvent({ topic: 't', payload }),
      {
        settled: () => void this.log.push(`${payload} settled`),
        release: () => this.log.push(`${payload} released`) > 0,
      },
      previousAttempts,
    );
  }
}

test.each([true, false])(
  'no handler starts while `mayBegin` returns false; `run` starts them in order (async: %s)',
  async (isAsync) => {
    const it = new Owned();
    const receiver = await it.subscribe(isAsync);
    it.owns = false;
    it.hand(receiver, 'a');
    it.hand(receiver, 'b');
    receiver.run();
    await turn();
    expect(it.log).toEqual([]);
    expect(it.engine.stats()).toMatchObject({ pending: 2, enqueued: 2 });
    it.owns = true;
    receiver.run();
    await turn();
    expect(it.log).toEqual(['a 1', 'a settled', 'b 1', 'b settled']);
    await it.engine.stop();
  },
);

test('waiting events are released by `withdraw` and by stop while `mayBegin` returns false', async () => {
  const it = new Owned();
  const receiver = await it.subscribe(false);
  it.owns = false;
  it.hand(receiver, 'a');
  receiver.withdraw();
  expect(it.log).toEqual(['a released']);
  it.hand(receiver, 'b');
  await it.engine.stop();
  expect(it.log).toEqual(['a released', 'b released']);
  expect(it.engine.stats()).toMatchObject({ pending: 0, dropped: 0, released: 2 });
});

test('a retry that is due waits until ownership is confirmed', async () => {
  const it = new Owned();
  const retry = { attempts: 3, backoff: { initialMs: 1, maxMs: 1, jitter: 'none' } } as const;
  const receiver = await it.subscribe(true, { retry, deadLetter: false });
  let asked = 0;
  receiver.mayBegin = () => ++asked === 1;
  it.hand(receiver, 'bad');
  await expect.poll(() => asked).toBe(2);
  await turn();
  expect(it.log).toEqual(['bad 1']);
  receiver.mayBegin = () => true;
  receiver.run();
  await expect.poll(() => it.log).toEqual(['bad 1', 'bad 2', 'bad 3', 'bad settled']);
  await it.engine.stop();
});

test('an event without attempts left becomes a dead letter only with confirmed ownership', async () => {
  const it = new Owned();
  const receiver = await it.subscribe(false, { retry: { attempts: 2 }, deadLetter: false });
  it.owns = false;
  it.hand(receiver, 'a', 2);
  await turn();
  expect(it.log).toEqual([]);
  receiver.withdraw();
  expect(it.log).toEqual(['a released']);
  expect(it.engine.stats()).toMatchObject({ failed: 0 });
  await it.engine.stop();
});

test('a subscription that may not start handlers takes no worker from others', async () => {
  const it = new Owned();
  const [mine, other] = [await it.subscribe(true), await it.subscribe(true, {}, 'u')];
  other.mayBegin = undefined;
  it.owns = false;
  for (const payload of ['a', 'b', 'c']) it.hand(mine, payload);
  for (const payload of ['x', 'y', 'z']) it.hand(other, payload);
  await expect.poll(() => it.log).toEqual(['x 1', 'x settled', 'y 1', 'y settled', 'z 1', 'z settled']);
  it.owns = true;
  mine.run();
  await expect.poll(() => it.log.length).toBe(12);
  await it.engine.stop();
});
