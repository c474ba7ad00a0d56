import type { ChainableCommander, Cluster, Redis } from 'ioredis';
import { addressOf } from '../client/cluster-nodes.ts';
import { hashOf } from '../client/hash.ts';
import type { Message, Wire } from '../publish/publisher.ts';

/** Publishes to channels with PUBLISH. */
export class PubSubWire implements Wire {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  carrier(client: Redis, topic: string): Redis {
    return nodeFor(client as unknown as Cluster, this.#prefix + topic);
  }

  send(client: Redis, { topic, text }: Message): Promise<unknown> {
    return client.publish(this.#prefix + topic, text);
  }

  add(pipeline: ChainableCommander, { topic, text }: Message): void {
    pipeline.publish(this.#prefix + topic, text);
  }
}

/**
 * Returns the node to publish a channel's messages to. Any node would pass them on, and the client takes a random one, but messages
 * over different nodes can overtake each other. If a node comes or goes, the other channels stay on their nodes.
 *
 * @returns the cluster itself while no node is known: its error says why.
 */
function nodeFor(cluster: Cluster, channel: string): Redis {
  let best: Redis | undefined;
  let highest = -1;
  const hash = hashOf(channel);
  for (const node of cluster.nodes('master')) {
    const weight = hashOf(addressOf(node), hash);
    if (weight <= highest) continue;
    best = node;
    highest = weight;
  }
  return best ?? (cluster as unknown as Redis);
}
