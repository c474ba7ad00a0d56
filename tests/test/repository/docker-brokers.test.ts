import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { root } from '../docs/blocks.ts';

const execute = promisify(execFile);
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'polybus-brokers-'));
  // No root, and no build: what would be done is written down.
  program('id', 'echo 1000');
  program('npx', `env | grep ^POLYBUS_TEST_ | sort >>${folder}/calls; echo "npx $*" >>${folder}/calls`);
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function program(name: string, script: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
}

/** An engine that answers, and has a way to a registry or not. */
const docker = (canPull: boolean): string => `case "$1" in
  image) exit 1;;
  pull) echo "pull $3" >>${folder}/calls; exit ${canPull ? 0 : 1};;
esac`;

async function run(): Promise<{ readonly calls: string[]; readonly output: string }> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('POLYBUS_TEST_'));
  const env = { ...Object.fromEntries(own), PATH: `${folder}${delimiter}${process.env['PATH']}` };
  const { stdout, stderr } = await execute(join(root, 'scripts/ci/docker-brokers.sh'), ['redis'], {
    cwd: root,
    env,
  }).catch((error: { stdout: string; stderr: string }) => error);
  return {
    calls: readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n'),
    output: stdout + stderr,
  };
}

test('an engine that can pull runs the images that the testbed names', async () => {
  program('docker', docker(true));
  const { calls } = await run();
  expect(calls).toEqual([
    expect.stringMatching(/^pull redis:/),
    expect.stringMatching(/^pull apache\/kafka:/),
    expect.stringMatching(/^pull localstack\/localstack:/),
    'POLYBUS_TEST_PROVIDERS=docker',
    expect.stringMatching(/^npx vitest run --project testbed --project engine-redis .* redis$/),
  ]);
});

test('a machine that can neither pull nor build images gets an error that says so', async () => {
  program('docker', docker(false));
  const { calls, output } = await run();
  expect(calls).toEqual([expect.stringMatching(/^pull redis:/)]);
  expect(output).toContain('the images cannot be pulled, and only root can build others');
});
