import type { GitHubBus } from './bus.ts';
import { shuffled } from './seeded.ts';
import type { Webhook } from './webhooks.ts';

/** Webhooks that arrive at the same time. */
const atOnce = 12;
/** After this number of batches, all high-volume webhooks are published at once, as a busy CI would send them. */
const burstEvery = 9;

/** Publishes all webhooks once per round, in a different order each time. */
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
