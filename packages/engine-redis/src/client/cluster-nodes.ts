import type { Cluster, Redis, RedisOptions as ClientOptions } from 'ioredis';
import { type RedisClient, isCluster } from '../options/options.ts';

/** The clients of the nodes of a cluster, or the client itself. */
export function nodesOf(client: RedisClient): Redis[] {
  return isCluster(client) ? client.nodes() : [client];
}

/** Calls back with the address of each node whose connection is lost. */
export function watchNodes(cluster: Cluster, onLost: (node: string) => void): void {
  const watch = (node: Redis): void => void node.on('close', () => onLost(addressOf(node)));
  for (const node of cluster.nodes()) watch(node);
  cluster.on('+node', watch);
}

/**
 * Creates a client that subscribes to channels at one node, and moves to another node if it loses that one. The cluster's own
 * subscriber also moves, but does not report it, so events that were published meanwhile would be missed unnoticed.
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
  // A node that has left the cluster receives no messages of the cluster.
  const checkNode = (): void => {
    if (!cluster.nodes().some((node) => addressOf(node) === addressOf(client))) client.disconnect(true);
  };
  cluster.on('refresh', checkNode);
  client.once('end', () => cluster.off('refresh', checkNode));
  return client;
}

function anyOf(cluster: Cluster): { host?: string | undefined; port?: number | undefined } {
  const nodes = cluster.nodes();
  const node = nodes[Math.floor(Math.random() * nodes.length)];
  // While no node is known, the last one may come back.
  if (node === undefined) return {};
  const { host, port } = node.options;
  return { host, port };
}

/** Host and port. */
export function addressOf({ options: { host, port } }: Redis): string {
  return `${host}:${port}`;
}
