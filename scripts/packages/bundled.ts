import { cpSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Trial } from './alone.ts';
import { installAlone } from './project.ts';
import { core } from './published.ts';
import { run } from './run.ts';
import { assertNone } from './steps.ts';

const engine = '@polybus/engine-memory';
const tools = {
  '@babel/preset-env': '7.29.14',
  esbuild: '0.28.2',
  jest: '30.5.2',
  webpack: '5.113.0',
};
const received = 'received u1';
const advice =
  'If this program is bundled, import the engine: import { engines } from "@polybus/engine-memory" and ' +
  'call registerEngine("memory", engines["memory"]) of "@polybus/core/engine"';

/** Tries programs that a bundler has built, and programs that Jest runs. */
export async function tryBundled(trial: Trial): Promise<void> {
  const { steps, all, nodes, folder } = trial;
  if (!all.some(({ manifest }) => manifest.name === engine)) return;
  const project = join(folder, 'bundled');
  const isInstalled = await steps.run('bundlers and Jest: install', async () => {
    await installAlone(project, [core, engine], all, tools);
    cpSync(join(import.meta.dirname, 'programs/bundled'), project, { recursive: true });
  });
  if (!isInstalled) return;
  for (const bundler of ['esbuild', 'webpack']) {
    for (const [format, extension] of [
      ['esm', 'mjs'],
      ['cjs', 'cjs'],
    ] as const) {
      await steps.run(`${bundler}, ${format}: a bundle finds its engine, or says what to do`, async () => {
        // Without node_modules, neither here nor above.
        const alone = mkdtempSync(join(folder, 'deployed-'));
        const bundle = (program: string, to: string): Promise<string> =>
          run(process.execPath, ['build.mjs', bundler, format, program, to], project);
        const byType = `by-type.${bundler}.${extension}`;
        await bundle('by-type-main.mjs', join(project, 'out', byType));
        cpSync(join(project, 'out', byType), join(alone, byType));
        const registered = join(alone, `registered.${extension}`);
        await bundle('registered-main.mjs', registered);
        for (const { path } of nodes) {
          expectText(await run(path, [join('out', byType)], project), received);
          expectText(await run(path, [byType], alone), advice);
          expectText(await run(path, [registered], alone), received);
        }
      });
    }
  }
  const jest = (config: object, ...nodeOptions: string[]): Promise<string> => {
    const common = { testMatch: ['**/by-type.jest.js'] };
    const given = ['--config', JSON.stringify({ ...common, ...config })];
    return run(process.execPath, [...nodeOptions, 'node_modules/jest/bin/jest.js', ...given], project);
  };
  await steps.run('Jest with ECMAScript modules: an engine is found by its type', () =>
    jest({ transform: {} }, '--experimental-vm-modules'),
  );
  await steps.run('Jest with Babel: an engine is found by its type', () =>
    jest({
      transform: {
        '\\.m?js$': ['babel-jest', { presets: [['@babel/preset-env', { targets: { node: 'current' } }]] }],
      },
      transformIgnorePatterns: ['/node_modules/(?!@polybus/|uuidv7/|valibot/)'],
    }),
  );
}

function expectText(output: string, text: string): void {
  assertNone(output.includes(text) ? [] : [`expected "${text}", got:`, output]);
}
