import { createRequire } from 'node:module';
import type { WebhookDefinition } from '@octokit/webhooks-examples';
import type { WebhookEventMap, WebhookEventName } from '@octokit/webhooks-types';

/** `github.issues.opened` for a payload with an action, `github.push` for one without. */
type TopicFor<Name extends string, Payload> = Payload extends { action: infer Action extends string }
  ? `github.${Name}.${Action}`
  : `github.${Name}`;

type GitHubTopic = { [Name in WebhookEventName]: TopicFor<Name, WebhookEventMap[Name]> }[WebhookEventName];

type PayloadOf<Topic> = Topic extends `github.${infer Name extends WebhookEventName}.${infer Action}`
  ? Extract<WebhookEventMap[Name], { action: Action }>
  : Topic extends `github.${infer Name extends WebhookEventName}`
    ? WebhookEventMap[Name]
    : never;

/** Every topic with the type of its payload, computed from the types that GitHub's own Octokit publishes. */
export type GitHubTopics = { [Topic in GitHubTopic]: PayloadOf<Topic> };

/** One webhook as GitHub sends it. */
export interface Webhook {
  readonly topic: keyof GitHubTopics;
  readonly payload: GitHubTopics[keyof GitHubTopics];
  /** The issue or pull request. Webhooks of the same issue are handled in order. */
  readonly key: string | undefined;
}

/** The real payloads that `@octokit/webhooks-examples` has collected. */
export function loadWebhooks(): Webhook[] {
  const definitions = createRequire(import.meta.url)('@octokit/webhooks-examples') as WebhookDefinition[];
  return definitions.flatMap(({ name, examples }) =>
    examples.map((payload) => ({
      // From here on, the payload that came over HTTP has its type.
      topic: ('action' in payload
        ? `github.${name}.${payload.action}`
        : `github.${name}`) as Webhook['topic'],
      payload,
      key: keyOf(payload),
    })),
  );
}

function keyOf(payload: object): string | undefined {
  const { repository, issue, pull_request } = payload as {
    repository?: { full_name: string };
    issue?: { number: number };
    pull_request?: { number: number };
  };
  const number = issue?.number ?? pull_request?.number;
  return repository === undefined || number === undefined ? undefined : `${repository.full_name}#${number}`;
}
