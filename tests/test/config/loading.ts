import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ConfigProblem,
  type EventBusConfig,
  InvalidConfigError,
  type LoadConfigOptions,
  PolybusError,
  loadConfig,
} from '@polybus/core';
import { afterAll, beforeAll, expect } from 'vitest';

/** Makes a folder for the files of a test file, which is removed after it. */
export function temporaryFolder(): {
  readonly path: string;
  write(text: string, extension?: string): Promise<string>;
} {
  let path = '';
  let count = 0;
  beforeAll(async () => void (path = await mkdtemp(join(tmpdir(), 'polybus-config-'))));
  afterAll(() => rm(path, { recursive: true, force: true }));
  return {
    get path() {
      return path;
    },
    async write(text, extension = 'yaml') {
      const file = join(path, `file-${++count}.${extension}`);
      await writeFile(file, text);
      return file;
    },
  };
}

/** `loadConfig` without the environment of the process. */
export function load(options: LoadConfigOptions): Promise<EventBusConfig> {
  return loadConfig({ env: {}, ...options });
}

/** The error with which a configuration is refused. */
export async function errorOf(options: LoadConfigOptions): Promise<PolybusError> {
  const error = await load(options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (PolybusError.is(error)) return error;
  throw error ?? new Error('expected the configuration to be refused');
}

export async function problemsOf(options: LoadConfigOptions): Promise<readonly ConfigProblem[]> {
  const error = await errorOf(options);
  expect(error).toBeInstanceOf(InvalidConfigError);
  return (error as InvalidConfigError).problems;
}
