import { join } from 'node:path';
import { startBroker } from '../broker.ts';
import { canInstallDebianPackages, installDebianPackage } from './debian-package.ts';
import { ProviderUnavailableError } from '../errors.ts';
import { findExecutable } from '../machine/executables.ts';
import { freePort } from '../machine/ports.ts';
import { ProcessMachine } from '../machine/process-machine.ts';
import { redisArguments, redisUrl, type StartRedisOptions } from './options.ts';
import { probeRedis } from './probe.ts';
import { makeTempFolder } from '../machine/temp-folder.ts';
import type { RedisBroker } from '../types.ts';

/** How long Redis may take to shut down, in milliseconds. It usually takes much less than a second, unless the append-only file is large. */
const GRACE_MS = 10_000;

async function redisServer(): Promise<string> {
  const found = await findExecutable('redis-server');
  if (found !== undefined) return found;
  if (!(await canInstallDebianPackages())) {
    throw new ProviderUnavailableError(
      'redis-server is not on the PATH; install it (Debian and Ubuntu: apt-get install redis-server)',
    );
  }
  try {
    await installDebianPackage('redis-server');
  } catch (error) {
    throw new ProviderUnavailableError(
      'redis-server is not on the PATH and its Debian package failed to install',
      {
        cause: error,
      },
    );
  }
  const installed = await findExecutable('redis-server');
  if (installed === undefined)
    throw new ProviderUnavailableError('the package redis-server brought no redis-server');
  return installed;
}

/** Starts a redis-server of this machine on a free port of 127.0.0.1. */
export async function startLocalRedis(options: StartRedisOptions, since: number): Promise<RedisBroker> {
  const command = await redisServer();
  const port = await freePort();
  const folder = await makeTempFolder('redis');
  const machine = new ProcessMachine({
    folder,
    ports: [port],
    graceMs: GRACE_MS,
    spec: {
      command,
      args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder.path, ...redisArguments(options)],
      cwd: folder.path,
      logFile: join(folder.path, 'redis.log'),
    },
  });
  const url = redisUrl('127.0.0.1', port, options.password);
  return startBroker({
    name: 'redis',
    provider: 'local',
    machine,
    connection: { url },
    keepsData: true,
    timeoutMs: options.timeoutMs,
    probe: () => probeRedis(url),
    since,
  });
}
