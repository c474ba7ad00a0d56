// Writes the exports of each entry point of each published package, with their types, into packages/*/api/*.api.md, so that a
// breaking change shows in review.
// usage: npm run api [-- PACKAGE…]   writes the reports
//        npm run api:check           fails if a report is not up to date
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { type PublishedPackage, publishedPackages, root } from './published.ts';

const compilerConfig = {
  compilerOptions: {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    moduleResolution: 'nodenext',
    strict: true,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  },
};

const { values, positionals: chosen } = parseArgs({
  options: { check: { type: 'boolean' } },
  allowPositionals: true,
});
const scratch = mkdtempSync(join(tmpdir(), 'polybus-api-'));
const stale: string[] = [];
try {
  for (const one of publishedPackages()) {
    if (chosen.length === 0 || chosen.includes(one.manifest.name)) update(one);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (values.check === true && stale.length > 0) {
  console.error(`Not up to date, run "npm run api" and look at the difference:\n${stale.join('\n')}`);
  process.exitCode = 1;
}

function update({ folder, manifest }: PublishedPackage): void {
  const reports = new Map(
    entriesOf(manifest.exports).map(([name, types]) => [name, reportOf(folder, name, types)]),
  );
  const target = join(folder, 'api');
  const surplus = existsSync(target) ? readdirSync(target).filter((file) => !reports.has(file)) : [];
  for (const file of surplus) {
    note(join(target, file));
    if (values.check !== true) rmSync(join(target, file));
  }
  for (const [file, report] of reports) {
    const path = join(target, file);
    if (existsSync(path) && readFileSync(path, 'utf8') === report) continue;
    note(path);
    if (values.check === true) continue;
    mkdirSync(target, { recursive: true });
    writeFileSync(path, report);
  }
}

function note(path: string): void {
  stale.push(relative(root, path));
  if (values.check !== true) console.log(relative(root, path));
}

/** The reports of a package by file name, with the files of their declarations. */
function entriesOf(exports: Readonly<Record<string, unknown>> = {}): [report: string, types: string][] {
  return Object.entries(exports).flatMap(([path, target]) => {
    const types = (target as { readonly types?: string }).types;
    const name = path === '.' ? 'index' : path.slice(2).replaceAll('/', '.');
    return types === undefined ? [] : [[`${name}.api.md`, types]];
  });
}

function reportOf(folder: string, report: string, types: string): string {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(folder, 'package.json'),
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: join(folder, types),
      compiler: { overrideTsconfig: compilerConfig },
      apiReport: {
        enabled: true,
        reportFileName: report,
        reportFolder: scratch,
        reportTempFolder: join(scratch, 'temp'),
        // Types that only other signatures use, because their changes can break users as well.
        includeForgottenExports: true,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      newlineKind: 'lf',
      messages: {
        compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
        extractorMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
      },
    },
  });
  mkdirSync(scratch, { recursive: true });
  const result = Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message) => {
      // Relevant messages are in the report, or are errors.
      message.handled = message.logLevel !== ExtractorLogLevel.Error;
    },
  });
  if (result.errorCount > 0) throw new Error(`${folder}: ${types} could not be read`);
  return readFileSync(join(scratch, report), 'utf8');
}
