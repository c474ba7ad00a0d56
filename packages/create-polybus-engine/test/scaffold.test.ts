import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { engineNames } from '../src/naming.ts';
import { ScaffoldError } from '../src/scaffold-error.ts';
import { scaffold } from '../src/scaffold.ts';

const execute = promisify(execFile);
const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const root = fileURLToPath(new URL('../../..', import.meta.url));
const tsx = import.meta.resolve('tsx');
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'create-polybus-engine-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function create(...args: string[]): Promise<Run> {
  return execute(process.execPath, ['--import', tsx, cli, ...args], { cwd: folder }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Run) => error,
  );
}

const filesIn = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

describe('names', () => {
  test.each([
    ['nats', 'polybus-engine-nats', 'nats', 'natsEngine', 'Nats'],
    ['my-engine', 'polybus-engine-my', 'my', 'myEngine', 'My'],
    [
      'polybus-engine-google-pubsub',
      'polybus-engine-google-pubsub',
      'google-pubsub',
      'googlePubsubEngine',
      'GooglePubsub',
    ],
    ['@acme/polybus-engine-nats', '@acme/polybus-engine-nats', 'nats', 'natsEngine', 'Nats'],
    ['@acme/nats', '@acme/nats', 'nats', 'natsEngine', 'Nats'],
    ['sqs-2', 'polybus-engine-sqs-2', 'sqs-2', 'sqs2Engine', 'Sqs2'],
  ])('of %s', (given, packageName, type, factory, prefix) => {
    expect(engineNames(given)).toEqual({ packageName, type, factory, prefix });
  });

  test('the type can be set', () => {
    expect(engineNames('@acme/events', 'nats')).toMatchObject({ packageName: '@acme/events', type: 'nats' });
  });

  test.each([
    ['Nats', /"Nats" is not an engine type.*lower-case/],
    ['my engine', /is not an engine type/],
    ['../evil', /is not an engine type/],
    ['', /is not an engine type/],
    ['-engine', /is not an engine type/],
    ['1st', /is not an engine type/],
    ['a--b', /is not an engine type/],
    ['engine-', /is not an engine type/],
    ['@acme', /is not an engine type/],
    ['@ACME/nats', /is not a package name/],
    ['@acme/a/b', /is not an engine type/],
    ['redis', /polybus already has an engine "redis"/],
    ['polybus-engine-durable-memory', /already/],
    ['x'.repeat(215), /longer than the limit for package names/],
  ])('%s is refused with a reason', (given, reason) => {
    expect(() => engineNames(given)).toThrow(ScaffoldError);
    expect(() => engineNames(given)).toThrow(reason);
  });
});

describe('the written files', () => {
  test('has every part of a package, and no placeholder of the template', () => {
    const target = join(folder, 'nats');
    const files = scaffold(target, engineNames('nats'), '0.3.1');
    expect(files).toEqual(
      expect.arrayContaining([
        '.changeset/config.json',
        '.changeset/first-release.md',
        '.github/workflows/ci.yml',
        '.github/workflows/release.yml',
        '.gitignore',
        'LICENSE',
        'README.md',
        'package.json',
        'src/broker.ts',
        'src/engine.ts',
        'src/index.ts',
        'src/options.ts',
        'src/transport.ts',
        'test/conformance.test.ts',
        'test/engine.test.ts',
        'tsconfig.json',
      ]),
    );
    expect(filesIn(target).sort()).toEqual(files.map((file) => join(target, file)).sort());
    const marked = filesIn(target).filter((file) => /__\w+__/.test(readFileSync(file, 'utf8')));
    expect(marked).toEqual([]);
    const read = (file: string): string => readFileSync(join(target, file), 'utf8');
    expect(JSON.parse(read('package.json'))).toMatchObject({
      name: 'polybus-engine-nats',
      peerDependencies: { '@polybus/core': '>=0.3.1 <1' },
      devDependencies: { '@polybus/conformance': '>=0.3.1 <1' },
    });
    expect(read('src/engine.ts')).toContain('export function natsEngine(config: NatsConfig = {}): Engine');
    expect(read('.changeset/first-release.md')).toContain("'polybus-engine-nats': minor");
    expect(read('README.md')).toContain('in the package `polybus-engine-nats`');
    expect(read('test/conformance.test.ts').trimEnd().split('\n').length).toBeLessThan(20);
  });

  test.each(['google-pubsub', '@acme/sqs-2'])('type-checks, for %s', async (given) => {
    const target = join(folder, 'engine');
    scaffold(target, engineNames(given), '0.3.1');
    symlinkSync(join(root, 'node_modules'), join(target, 'node_modules'), 'junction');
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const args = [compiler, '--noEmit', '--pretty', 'false', '--customConditions', '@polybus/source'];
    // What our sources need that come along here, and the declarations of a release do not.
    args.push('--allowImportingTsExtensions', '--lib', 'es2024,esnext.disposable');
    const { stdout } = await execute(process.execPath, args, { cwd: target }).catch((error: Run) => error);
    expect(stdout).toBe('');
  });

  test('can also be published by hand: only a workflow provides provenance', () => {
    scaffold(join(folder, 'a'), engineNames('nats'), '0.3.1');
    const { publishConfig } = JSON.parse(readFileSync(join(folder, 'a/package.json'), 'utf8')) as {
      publishConfig: unknown;
    };
    expect(publishConfig).toEqual({ access: 'public' });
  });

  test('accepts later minor versions once polybus is 1.0', () => {
    scaffold(join(folder, 'a'), engineNames('nats'), '1.4.0');
    const { peerDependencies } = JSON.parse(readFileSync(join(folder, 'a/package.json'), 'utf8')) as {
      peerDependencies: Record<string, string>;
    };
    expect(peerDependencies).toEqual({ '@polybus/core': '^1.4.0' });
  });

  test('explains how to register a scoped package', () => {
    scaffold(join(folder, 'a'), engineNames('@acme/nats'), '1.0.0');
    expect(readFileSync(join(folder, 'a/README.md'), 'utf8')).toContain(
      "registerEngine('nats', engines['nats'])",
    );
  });
});

describe('the command', () => {
  test('writes the package into a folder of its name, and prints the next steps', async () => {
    const { code, stdout } = await create('@acme/polybus-engine-nats');
    expect(code).toBe(0);
    expect(stdout).toMatch(/@acme\/polybus-engine-nats: \d+ files in polybus-engine-nats.*type is "nats"/);
    expect(stdout).toContain('cd polybus-engine-nats');
    expect(existsSync(join(folder, 'polybus-engine-nats/src/transport.ts'))).toBe(true);
  });

  test('writes into an empty repository, and into the folder of --folder', async () => {
    mkdirSync(join(folder, 'here/.git'), { recursive: true });
    const { code, stderr } = await create('events', '--folder', 'here', '--type', 'nats');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(readFileSync(join(folder, 'here/package.json'), 'utf8')).toContain('"polybus-engine-nats"');
  });

  test('refuses a folder that is not empty', async () => {
    mkdirSync(join(folder, 'nats'));
    writeFileSync(join(folder, 'nats/precious.txt'), 'mine');
    const { code, stderr } = await create('nats');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /nats is not empty \(precious\.txt\)\. Choose another folder, or empty this one\.\n$/,
    );
    expect(readdirSync(join(folder, 'nats'))).toEqual(['precious.txt']);
  });

  test('refuses a file as its folder', async () => {
    writeFileSync(join(folder, 'nats'), 'mine');
    expect(await create('nats')).toMatchObject({
      code: 1,
      stderr: 'nats exists and is not a folder.\n',
    });
  });

  test.each([
    [[], /^Pass exactly one name\./],
    [['a', 'b'], /^Pass exactly one name\./],
    [['Bad Name'], /^"Bad Name" is not an engine type/],
    [['nats', '--tpye', 'x'], /Unknown option '--tpye'/],
  ])('refuses %j with a reason, and writes nothing', async (args, reason) => {
    const { code, stderr } = await create(...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(reason);
    expect(stderr).not.toMatch(/\n {4}at /);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('prints its usage and version', async () => {
    expect((await create('--help')).stdout).toContain('npm create polybus-engine@latest <name>');
    expect((await create('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
