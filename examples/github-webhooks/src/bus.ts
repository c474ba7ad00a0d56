import { type TypedEventBus, createEventBus } from '@polybus/core';
import type { Ledger } from './ledger.ts';
import type { Show } from './screen.ts';
import type { GitHubTopics } from './webhooks.ts';

export type GitHubBus = TypedEventBus<GitHubTopics>;

/** High-volume events that come in bursts, and of which some may be lost. */
export const highVolume: readonly string[] = [
  'github.push',
  'github.status',
  'github.star.*',
  'github.watch.*',
  'github.fork',
  'github.page_build',
  'github.check_*',
  'github.workflow_*',
  'github.deployment_status.*',
];

/** Two engines: `memory` drops events if a buffer is full, `durable-memory` makes publishers wait. */
export function createGitHubBus(ledger: Ledger, show: Show): GitHubBus {
  return createEventBus<GitHubTopics>({
    engines: [
      {
        name: 'work',
        type: 'durable-memory',
        config: {
          workerCount: 8,
          defaultEventBufferSize: 64,
          retry: { attempts: 4, backoff: { initialMs: 5, factor: 2, jitter: 'none' } },
          deadLetter: true,
        },
      },
      {
        name: 'feed',
        type: 'memory',
        config: { deliveryMode: 'drop', workerCount: 4, defaultEventBufferSize: 8 },
      },
    ],
    routing: [
      { topics: highVolume, engine: 'feed' },
      { topics: ['*'], engine: 'work' },
    ],
    middleware: { publish: [ledger.onPublish], handle: [ledger.onHandle] },
    observers: [ledger.observer],
    logger: {
      warn: (message, { topic, reason } = {}) => show('log', String(topic), `${message}: ${String(reason)}`),
      error: (message, { topic } = {}) => show('log', String(topic), message),
    },
    source: '/examples/github-webhooks',
  });
}
