// usage: build.mjs esbuild|webpack esm|cjs PROGRAM FILE
// Bundles PROGRAM with everything that it imports into FILE. A warning of the bundler is an error.
import assert from 'node:assert/strict';
import { basename, dirname, resolve } from 'node:path';

const [bundler, format, program, file] = process.argv.slice(2);
const warnings = await { esbuild: withEsbuild, webpack: withWebpack }[bundler]();
assert.deepEqual(warnings, []);

async function withEsbuild() {
  const { build } = await import('esbuild');
  const result = await build({
    entryPoints: [program],
    bundle: true,
    platform: 'node',
    format,
    outfile: file,
  });
  return result.warnings;
}

async function withWebpack() {
  const { default: webpack } = await import('webpack');
  const isModule = format === 'esm';
  const stats = await new Promise((done, fail) => {
    webpack(
      {
        mode: 'production',
        target: 'node',
        entry: resolve(program),
        experiments: { outputModule: isModule },
        optimization: { minimize: false },
        output: { path: resolve(dirname(file)), filename: basename(file), module: isModule },
      },
      (error, result) => (error ? fail(error) : done(result)),
    );
  });
  const { errors, warnings } = stats.toJson();
  return [...errors, ...warnings];
}
