import type { Cluster, Redis, RedisOptions as ClientOptions } from 'ioredis';
import { hashOf } from './hash.ts';

/** Calls back with the address of each node whose connection is lost. */
export function watchNodes(cluster: Cluster, onLost: (node: string) => void): void {
  const watch = (node: Redis): void => void node.on('close', () => onLost(addressOf(node)));
  for (const node of cluster.nodes()) watch(node);
  cluster.on('+node', watch);
}

/**
 * The node to publish a channel's messages to. Any node would pass them on, and the client takes a random one: but two
 * messages that take two ways may overtake each other. Where a node comes or goes, the other channels stay where they are.
 *
 * @returns the cluster itself while no node is known: it says what is the matter.
 */
export function nodeFor(cluster: Cluster, channel: string): Redis {
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

/**
 * A client that listens to channels at one node, and goes to another where that is lost. The cluster's own subscriber does
 * so in silence, and what was published meanwhile would be missed without anybody's knowing.
 */
export function subscriberOf(
  cluster: Cluster,
  options: ClientOptions,
  pauseMs: (times: number) => number | null,
): Redis {
  const [first] = cluster.nodes();
  if (first === undefined) throw new Error('no node of the cluster is known');
  const client: Redis = first.duplicate({
    ...options,
    ...anyOf(cluster),
    readOnly: false,
    retryStrategy: (times) => {
      Object.assign(client.options, anyOf(cluster));
      return pauseMs(times);
    },
  } as ClientOptions & { replyMapping: 'legacy' });
  // A node that is no longer part of the cluster hears nothing of what is published in it.
  const look = (): void => {
    if (!cluster.nodes().some((node) => addressOf(node) === addressOf(client))) client.disconnect(true);
  };
  cluster.on('refresh', look);
  client.once('end', () => cluster.off('refresh', look));
  return client;
}

function anyOf(cluster: Cluster): { host?: string | undefined; port?: number | undefined } {
  const nodes = cluster.nodes();
  const node = nodes[Math.floor(Math.random() * nodes.length)];
  // While none is known, the last one may come back.
  if (node === undefined) return {};
  const { host, port } = node.options;
  return { host, port };
}

function addressOf({ options: { host, port } }: Redis): string {
  return `${host}:${port}`;
}
