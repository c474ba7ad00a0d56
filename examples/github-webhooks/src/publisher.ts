import type { GitHubBus } from './bus.ts';
import { shuffled } from './seeded.ts';
import type { Webhook } from './webhooks.ts';

/** Webhooks that arrive at the same time. */
const atOnce = 12;
/** After so many of those comes what a busy CI makes: all high-volume webhooks at once. */
const burstEvery = 9;

/** Publishes all webhooks, as often as there are rounds, each time in another order. */
export async function publishAll(
  bus: GitHubBus,
  webhooks: readonly Webhook[],
  rounds: number,
): Promise<void> {
  let delivery = 0;
  const publish = ({ topic, payload, key }: Webhook): Promise<void> =>
    bus.publish({ topic, payload, key, metadata: { delivery: ++delivery } });
  const burst = webhooks.filter(({ topic }) => bus.router.engineFor(topic) === 'feed');
  for (let round = 1; round <= rounds; round++) {
    const stream = shuffled(webhooks, `round ${round}`);
    for (let step = 0; step * atOnce < stream.length; step++) {
      await Promise.all(stream.slice(step * atOnce, (step + 1) * atOnce).map(publish));
      if (step % burstEvery === 0) await Promise.all(shuffled(burst, `burst ${round}/${step}`).map(publish));
    }
  }
}
