import { createHash, randomUUID } from 'node:crypto';
import { access, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../machine/cache.ts';
import { ProviderUnavailableError } from '../errors.ts';
import { findExecutable, run } from '../machine/executables.ts';
import { guard } from '../machine/watchdog.ts';

/** The version of Kafka that runs as a local process; the Docker image has the same version. */
export const KAFKA_VERSION = '4.3.1';

const FETCH_MS = 10 * 60_000;
const JAVA_MS = 30_000;
const MINIMUM_JAVA = 17;
const pom = fileURLToPath(new URL('../../assets/kafka/pom.xml', import.meta.url));

/**
 * The `java` program to run, from JAVA_HOME or the PATH.
 *
 * @throws ProviderUnavailableError if there is no Java, or it is older than 17
 */
export async function findJava(): Promise<string> {
  const home = process.env['JAVA_HOME'];
  const java = home === undefined || home === '' ? await findExecutable('java') : join(home, 'bin', 'java');
  if (java === undefined)
    throw new ProviderUnavailableError('java is not on the PATH; install Java 17 or later');
  const output = await run(java, ['-version'], { timeoutMs: JAVA_MS }).catch((error: unknown) => {
    throw new ProviderUnavailableError(`${java} does not run; install Java 17 or later`, { cause: error });
  });
  const version = Number(/version "(\d+)/.exec(output)?.[1]);
  if (!(version >= MINIMUM_JAVA)) {
    throw new ProviderUnavailableError(`${java} is Java ${String(version)}; Kafka 4 needs 17 or later`);
  }
  return java;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * The folder with the jars of the Kafka broker and tools. If they are not in the cache, Maven downloads them from the repositories in its
 * settings.
 *
 * @throws ProviderUnavailableError if they are not in the cache and cannot be downloaded
 */
export async function kafkaJars(): Promise<string> {
  const hash = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex');
  const folder = join(await cacheFolder(), `kafka-${KAFKA_VERSION}-${hash.slice(0, 8)}`);
  if (await exists(folder)) return folder;
  const maven = await findExecutable('mvn');
  if (maven === undefined) {
    throw new ProviderUnavailableError(
      'Kafka has not been fetched yet and mvn is not on the PATH; install Maven',
    );
  }
  // Fetched into another folder and moved when complete, so that concurrent processes never see an incomplete folder.
  const partial = `${folder}.${randomUUID()}.partial`;
  const goal = 'dependency:copy-dependencies';
  const release = guard({ kind: 'folder', path: partial });
  const settings = [`-Dkafka.version=${KAFKA_VERSION}`, `-DoutputDirectory=${partial}`];
  try {
    await run(maven, ['-q', '-B', '-f', pom, ...settings, goal], { timeoutMs: FETCH_MS });
    await rename(partial, folder);
  } catch (error) {
    if (!(await exists(folder))) {
      throw new ProviderUnavailableError('Kafka has not been fetched yet and Maven could not fetch it', {
        cause: error,
      });
    }
  } finally {
    await rm(partial, { recursive: true, force: true });
    release();
  }
  return folder;
}
