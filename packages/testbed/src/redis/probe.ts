import { Redis } from 'ioredis';

/** How long one attempt may take, in milliseconds. */
const CONNECT_MS = 2_000;

/**
 * Connects to a Redis server once it has loaded its data, and returns its version.
 *
 * @throws Error if the server cannot be reached or refuses the password of the URL
 */
export async function probeRedis(url: string): Promise<string> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // Without a listener, ioredis prints a refused connection; connect() rejects with the same error.
  let refused: Error | undefined;
  client.on('error', (error: Error) => {
    refused = error;
  });
  try {
    await client.connect();
    const info = await client.info('server');
    return /redis_version:(\S+)/.exec(info)?.[1] ?? 'unknown';
  } catch (error) {
    throw refused ?? error;
  } finally {
    client.disconnect();
  }
}
