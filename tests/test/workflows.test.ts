import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { root } from './docs-blocks.ts';

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<
    Record<
      string,
      {
        readonly permissions?: Readonly<Record<string, string>>;
        readonly 'timeout-minutes'?: number;
        readonly steps: readonly {
          readonly uses?: string;
          readonly run?: string;
          readonly with?: Readonly<Record<string, unknown>>;
        }[];
      }
    >
  >;
}

const folders = ['.github/workflows', 'packages/create-polybus-engine/templates/.github/workflows'];
const files = folders.flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`));
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
const workflow = (file: string): Workflow => parse(textOf(file)) as Workflow;
const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Readonly<Record<string, string>> };

describe.each(files)('%s', (file) => {
  test('names every action by its commit, and by its version for readers', () => {
    const uses = textOf(file).match(/uses: .*/g) ?? [];
    expect(uses.length).toBeGreaterThan(1);
    expect(uses.filter((line) => !/^uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual(
      [],
    );
  });

  test('is granted no more than it says, and ends in time', () => {
    const { permissions, jobs } = workflow(file);
    expect(Object.values(permissions).filter((granted) => granted !== 'read')).toEqual([]);
    expect(Object.values(jobs).filter((job) => job['timeout-minutes'] === undefined)).toEqual([]);
  });
});

test('CI runs what is run by hand', () => {
  const steps = Object.values(workflow('.github/workflows/ci.yml').jobs).flatMap((job) => job.steps);
  expect(steps.map(({ run }) => run)).toContain('.ci/run');
});

test('a release is published by a trusted publisher: with an identity, and without a token', () => {
  const file = '.github/workflows/release.yml';
  const { permissions, steps } = workflow(file).jobs['release']!;
  expect(permissions).toEqual({ contents: 'write', 'pull-requests': 'write', 'id-token': 'write' });
  expect(textOf(file).match(/secrets\.\w+/g)).toEqual(['secrets.GITHUB_TOKEN']);
  const action = steps.find(({ uses }) => uses?.startsWith('changesets/action@'));
  for (const key of ['version', 'publish']) {
    expect(scripts).toHaveProperty([String(action?.with?.[key]).replace('npm run ', '')]);
  }
});
