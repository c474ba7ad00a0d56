import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Packed } from './pack.ts';
import { installAlone, npmInstall, overridesOf } from './project.ts';
import { root } from './published.ts';
import { run } from './run.ts';
import type { Steps } from './steps.ts';

/** The package that creates engines. It exports nothing. */
export const scaffoldName = 'create-polybus-engine';

/** Names that need special treatment in the templates: a type that is not an identifier, and a scope. */
const others = ['google-pubsub', '@acme/polybus-engine-sqs-2'];

/** Creates an engine with the packed `create-polybus-engine`, and does what its author and its first user would do. */
export async function tryScaffold(steps: Steps, all: readonly Packed[], folder: string): Promise<void> {
  const engine = join(folder, 'my-engine');
  const creator = join(folder, 'creator');
  // As npm create does, with the package that is installed here.
  const create = (name: string, target: string): Promise<string> =>
    run('npx', ['--no-install', scaffoldName, name, '--folder', target], creator);
  const isWritten = await steps.run('scaffold: npm create polybus-engine my-engine', async () => {
    await installAlone(creator, [scaffoldName], all);
    await create('my-engine', engine);
  });
  if (!isWritten) return;
  const isInstalled = await steps.run('scaffold: npm install', async () => {
    useTarballs(join(engine, 'package.json'), all);
    await npmInstall(engine);
  });
  if (!isInstalled) return;
  await steps.run('scaffold: its types hold', () => run('npm', ['run', 'typecheck'], engine));
  for (const name of others) {
    await steps.run(`scaffold: its types hold, for ${name}`, async () => {
      const other = join(folder, basename(name));
      await create(name, other);
      // It requires the same packages.
      symlinkSync(join(engine, 'node_modules'), join(other, 'node_modules'), 'junction');
      await run('npm', ['run', 'typecheck'], other);
    });
  }
  await steps.run('scaffold: its conformance suite and tests pass', async () => {
    const output = await run('npx', ['--no-install', 'vitest', 'run', '--reporter=json', '--silent'], engine);
    const { numPassedTests, numFailedTests } = JSON.parse(output.slice(output.indexOf('{'))) as Record<
      string,
      number
    >;
    if (numFailedTests !== 0 || numPassedTests! < 100) throw new Error(`${numPassedTests} tests passed`);
    console.log(`      ${numPassedTests} tests`);
  });
  await steps.run('scaffold: its first release gets a version and a changelog', async () => {
    await run('npx', ['--no-install', 'changeset', 'version'], engine);
    const { version } = JSON.parse(readFileSync(join(engine, 'package.json'), 'utf8')) as { version: string };
    if (version !== '0.1.0') throw new Error(`its version is ${version}`);
    readFileSync(join(engine, 'CHANGELOG.md'));
  });
  await steps.run('scaffold: it builds, packs, and a bus finds it by its type', () =>
    useIt(engine, all, folder),
  );
  await steps.run('scaffold: its workflows and changesets are where they belong', () => {
    for (const file of [
      '.github/workflows/ci.yml',
      '.github/workflows/release.yml',
      '.changeset/config.json',
    ])
      readFileSync(join(engine, file));
    for (const file of ['.gitignore', 'LICENSE']) readFileSync(join(engine, file));
  });
}

/** Replaces our packages by their tarballs, because they may not be on the registry yet. */
function useTarballs(file: string, all: readonly Packed[]): void {
  const overrides = overridesOf(all);
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown> & {
    devDependencies: Record<string, string>;
  };
  for (const name of Object.keys(manifest.devDependencies)) {
    const tarball = overrides[name];
    if (tarball !== undefined) manifest.devDependencies[name] = tarball;
  }
  writeFileSync(file, JSON.stringify({ ...manifest, overrides }, undefined, 2));
}

async function useIt(engine: string, all: readonly Packed[], folder: string): Promise<void> {
  const user = join(folder, 'user');
  mkdirSync(user);
  const json = await run(
    'npm',
    ['pack', '--json', '--foreground-scripts=false', '--pack-destination', user],
    engine,
  );
  const [{ filename }] = Object.values(
    JSON.parse(json.slice(json.search(/[[{]/))) as { filename: string }[],
  ) as [{ filename: string }];
  const overrides = overridesOf(all);
  const dependencies = {
    '@polybus/core': overrides['@polybus/core'],
    'polybus-engine-my': `file:${join(user, filename)}`,
  };
  writeFileSync(join(user, 'package.json'), JSON.stringify({ private: true, dependencies, overrides }));
  await npmInstall(user);
  const program = join(user, 'publish-and-receive.mjs');
  writeFileSync(program, readFileSync(join(root, 'scripts/packages/programs/publish-and-receive.mjs')));
  await run(process.execPath, [program, 'my'], user);
}
