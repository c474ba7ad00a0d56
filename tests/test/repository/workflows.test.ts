import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { root } from '../docs/blocks.ts';

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  /** Another workflow, in the place of steps. */
  readonly uses?: string;
  readonly needs?: string;
  readonly strategy?: { readonly matrix: Readonly<Record<string, unknown>> };
  readonly steps?: readonly Step[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const folders = ['.github/workflows', 'packages/create-polybus-engine/templates/.github/workflows'];
const files = folders.flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`));
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
const workflow = (file: string): Workflow => parse(textOf(file)) as Workflow;
/** The package whose workflow it is. */
const manifestOf = (file: string): string =>
  file.startsWith(folders[1]!) ? 'packages/create-polybus-engine/templates/_package.json' : 'package.json';

describe.each(files)('%s', (file) => {
  test('pins every action to a commit, with its version for readers', () => {
    const uses = textOf(file).match(/uses: .*/g) ?? [];
    expect(uses.length).toBeGreaterThan(1);
    // A workflow of this repository is from the same commit.
    const isNamed = (line: string): boolean =>
      /^uses: (?:\.\/\.github\/workflows\/[\w-]+\.yml|[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$/.test(
        line,
      );
    expect(uses.filter((line) => !isNamed(line))).toEqual([]);
  });

  test('has the least permissions, and a time limit', () => {
    const { permissions, jobs } = workflow(file);
    expect(Object.values(permissions).filter((granted) => granted !== 'read')).toEqual([]);
    const own = Object.values(jobs).filter((job) => job.uses === undefined);
    expect(own.filter((job) => job['timeout-minutes'] === undefined)).toEqual([]);
  });
});

describe.each(files.filter((file) => file.endsWith('release.yml')))('%s', (file) => {
  test('publishes only commits that have passed CI', () => {
    const { on, jobs } = workflow(file);
    expect(on).toEqual({ push: { branches: ['main'] } });
    expect(jobs['release']?.needs).toBe('ci');
    expect(jobs['ci']?.uses).toBe('./.github/workflows/ci.yml');
    // CI has no run of its own on main, which would be the same one again.
    expect(Object.keys(workflow(join(dirname(file), 'ci.yml')).on)).toEqual([
      'pull_request',
      'workflow_call',
    ]);
  });

  test('publishes as a trusted publisher, with an identity and without a token', () => {
    const { permissions, steps = [] } = workflow(file).jobs['release']!;
    expect(permissions).toEqual({ contents: 'write', 'pull-requests': 'write', 'id-token': 'write' });
    expect(textOf(file).match(/secrets\.\w+/g)).toEqual(['secrets.GITHUB_TOKEN']);
    const { scripts } = JSON.parse(textOf(manifestOf(file))) as { scripts: Readonly<Record<string, string>> };
    const action = steps.find(({ uses }) => uses?.startsWith('changesets/action@'));
    for (const key of ['version', 'publish']) {
      expect(scripts).toHaveProperty([String(action?.with?.[key]).replace('npm run ', '')]);
    }
  });
});

test('an engine of the scaffold is tested on every Node version that polybus supports', () => {
  const { jobs } = workflow(`${folders[1]}/ci.yml`);
  expect(jobs['test']?.strategy?.matrix['node']).toEqual([20, 22, 24, 26]);
});

test('CI runs .ci/run, after installing what it needs', () => {
  const runs = workflow('.github/workflows/ci.yml').jobs['everything']!.steps!.map(({ run }) => run ?? '');
  const last = runs.indexOf('.ci/run');
  expect(last).toBeGreaterThan(-1);
  // The testbed's local brokers; what Debian's package starts by itself would be in their way.
  const before = runs.slice(0, last).join('\n');
  expect(before).toMatch(/sudo apt-get .*install .*\bredis-server\b/);
  expect(before).toMatch(/sudo systemctl .*\bredis-server\b/);
});
