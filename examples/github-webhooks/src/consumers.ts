import { setTimeout as work } from 'node:timers/promises';
import { UnrecoverableError, deadLetterOf } from '@polybus/core';
import type { GitHubBus } from './bus.ts';
import { chance } from './seeded.ts';
import type { Show } from './screen.ts';

/** The team's consumers. `show` prints what they do. A pause stands for their real work. */
export async function subscribeConsumers(bus: GitHubBus, show: Show): Promise<void> {
  // A pattern over both engines: this handler gets every event, one at a time.
  const senders = new Set<string>();
  await bus.subscribe(
    '*',
    ({ topic, payload }) => {
      const login = 'sender' in payload ? payload.sender?.login : undefined;
      if (login === undefined || senders.has(login)) return;
      senders.add(login);
      show('wildcard', topic, `${login} is the ${ordinal(senders.size)} account seen`);
    },
    { bufferSize: 256 },
  );

  // The payload has the type of this topic.
  await bus.subscribe('github.issues.opened', ({ topic, payload: { issue } }) => {
    show('typed', topic, `${issue.user.login} opened #${issue.number} "${issue.title}"`);
  });

  // The payload is a union of types, which the topic distinguishes.
  await bus.subscribe('github.pull_request.*', (event) => {
    const { number, pull_request: pull } = event.payload;
    if (event.topic === 'github.pull_request.labeled') {
      show('typed', event.topic, `#${number} got the label "${event.payload.label.name}"`);
    } else if (event.topic === 'github.pull_request.closed') {
      show('typed', event.topic, `#${number} was ${pull.merged ? 'merged' : 'closed'}: "${pull.title}"`);
    }
  });

  // An async handler that is slower than its bursts, on the engine that drops events.
  await bus.subscribeAsync('github.check_*', async ({ topic, payload }) => {
    await work(2);
    if ('check_run' in payload) show('async', topic, `"${payload.check_run.name}" is on the dashboard`);
  });
  await bus.subscribeAsync('github.workflow_*', () => work(1));

  // Fails sometimes and is retried. Events of one issue stay in order meanwhile.
  await bus.subscribeAsync('github.issues.*', async ({ topic, metadata, key }, { attempt }) => {
    await work(2);
    if (chance(`chat/${String(metadata['delivery'])}/${attempt}`) < 0.3)
      throw new Error('the chat answers 503');
    if (attempt > 1) show('retried', topic, `${key} reached the chat at attempt ${attempt}`);
  });

  // Throws an UnrecoverableError if there is nothing to announce, because no retry can help.
  await bus.subscribeAsync('github.release.published', async ({ payload: { release } }) => {
    await work(1);
    if (!release.body) throw new UnrecoverableError(`release ${release.tag_name} has no notes to announce`);
  });

  await bus.subscribe('_dead.*', (event) => {
    const { attempts, error } = deadLetterOf(event)!;
    show(
      'dead letter',
      event.topic,
      `after ${attempts} attempt${attempts === 1 ? '' : 's'}: ${error.message}`,
    );
  });
}

function ordinal(n: number): string {
  const suffix = ['th', 'st', 'nd', 'rd'][n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] ?? 'th';
  return `${n}${suffix}`;
}
