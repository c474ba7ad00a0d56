import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadConfig, parseConfig } from '@polybus/core';
import { engines as kafkaEngines } from '@polybus/engine-kafka';
import { engines as kinesisEngines } from '@polybus/engine-kinesis';
import { engines as memoryEngines } from '@polybus/engine-memory';
import { engines as redisEngines } from '@polybus/engine-redis';
import { CloudEvent } from 'cloudevents';
import { beforeAll, describe, expect, test } from 'vitest';
import { engineNames } from '../../../packages/create-polybus-engine/src/naming.ts';
import { scaffold } from '../../../packages/create-polybus-engine/src/scaffold.ts';
import {
  type Block,
  blocksOf,
  expectedOutput,
  isAsExpected,
  linksOf,
  pages,
  readPage,
  root,
  templatePage,
} from './blocks.ts';
import type { BlockRun } from './run.ts';

const folder = fileURLToPath(new URL('../../.cache/docs', import.meta.url));
const scaffolded = fileURLToPath(new URL('../../.cache/docs-scaffold', import.meta.url));
const blocks = pages().flatMap(blocksOf);
const nameOf = ({ page, line }: Block): string => `${page}:${line}`;
const named = (some: readonly Block[]): [string, Block][] => some.map((block) => [nameOf(block), block]);
const fileOf = ({ page, line }: Block): string => join(folder, `${page.replaceAll('/', '__')}.L${line}.ts`);
const inLanguage = (language: string): Block[] => blocks.filter((block) => block.language === language);
/** Blocks without requirements. Blocks that need a broker run in tests/brokers. */
const isRunnable = ({ marks }: Block): boolean => !marks.some((mark) => mark.startsWith('needs='));
const execute = promisify(execFile);
/** Making one opens nothing. */
const engines = { ...memoryEngines, ...redisEngines, ...kafkaEngines, ...kinesisEngines };

test('every block has a language and marks that this test knows', () => {
  const known: Readonly<Record<string, RegExp>> = {
    ts: /^(|types|needs=vitest( types)?|needs=(redis|kafka|kinesis))$/,
    json: /^(config|cloudevent)$/,
    yaml: /^config$/,
    sh: /^$/,
    text: /^$/,
    mermaid: /^$/,
  };
  const unknown = blocks.filter(({ language, marks }) => known[language]?.test(marks.join(' ')) !== true);
  expect(unknown.map((block) => `${nameOf(block)}: ${block.language} ${block.marks.join(' ')}`)).toEqual([]);
});

describe('TypeScript', () => {
  const sources = inLanguage('ts');
  /** Compiler errors, as `page:line:column: message`. */
  let errors: string[] = [];
  const runs = new Map<string, BlockRun>();

  beforeAll(async () => {
    for (const old of [folder, scaffolded]) rmSync(old, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    // As many empty lines as there are above it on its page: positions in messages are those on the page.
    for (const block of sources)
      writeFileSync(fileOf(block), `${'\n'.repeat(block.line - 1)}${codeOf(block)}\n`);
    scaffold(scaffolded, engineNames('demo'), '0.0.0');
    const compilerOptions = {
      composite: false,
      declaration: false,
      declarationMap: false,
      isolatedDeclarations: false,
      incremental: false,
      noEmit: true,
    };
    const config = { extends: join(root, 'tsconfig.base.json'), compilerOptions, include: ['*.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    [errors] = await Promise.all([typeErrors(), runAll()]);
  });

  /** The blocks of the README in the templates use the engine that the templates create. */
  function codeOf({ page, code }: Block): string {
    if (page !== templatePage) return code;
    return code.replaceAll('__factory__', 'demoEngine').replace('__NAME__', '../docs-scaffold/src/index.ts');
  }

  async function typeErrors(): Promise<string[]> {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const args = [compiler, '--project', folder, '--pretty', 'false'];
    const { stdout } = await execute(process.execPath, args, { cwd: folder }).catch(
      (error: { stdout: string }) => error,
    );
    return stdout.split('\n').filter(Boolean).map(onPage);
  }

  async function runAll(): Promise<void> {
    const runner = fileURLToPath(new URL('run.ts', import.meta.url));
    const files = sources.filter(isRunnable).map(fileOf);
    const args = [
      '--import',
      'tsx',
      '--conditions=@polybus/source',
      '--enable-source-maps',
      runner,
      ...files,
    ];
    const { stdout } = await execute(process.execPath, args, { cwd: root, maxBuffer: 2 ** 26 });
    for (const run of JSON.parse(stdout) as BlockRun[]) {
      runs.set(run.file, { ...run, error: run.error?.replaceAll(inStack, onPageInStack) });
    }
  }

  function onPage(error: string): string {
    const [, file, line, column, message] =
      /^(?:.*[/\\])?([^/\\]+)\.L\d+\.ts\((\d+),(\d+)\): (.*)$/.exec(error) ?? [];
    return file === undefined ? error : `${file.replaceAll('__', '/')}:${line}:${column}: ${message}`;
  }

  const inStack = /[^\s(]*[/\\]([^/\\]+)\.L\d+\.ts(?=:\d+:\d+)/g;
  const onPageInStack = (_: string, file: string): string => file.replaceAll('__', '/');

  test('every block type-checks', () => {
    expect(errors).toEqual([]);
  });

  test.each(named(sources.filter(isRunnable)))('%s runs, and prints the expected output', (_, block) => {
    const { printed, error, left } = runs.get(fileOf(block))!;
    const expected = expectedOutput(block);
    expect(error).toBeUndefined();
    expect(withWildcards(printed, expected)).toEqual(expected);
    expect(left).toEqual([]);
    // What neither prints nor is marked as types proves nothing.
    expect(expected.length > 0 || block.marks.includes('types')).toBe(true);
  });

  /** The output. Matching lines are replaced by the expected lines, so that a difference shows only other lines. */
  function withWildcards(printed: readonly string[], expected: readonly string[]): string[] {
    return printed.map((line, i) => {
      const wanted = expected[i];
      return wanted !== undefined && isAsExpected(line, wanted) ? wanted : line;
    });
  }
});

describe('configurations', () => {
  /** The environment variables that the pages use. */
  const env = {
    REDIS_URL: 'redis://localhost:6379',
    REDIS_PASSWORD: 'hunter2',
    WORKERS: '8',
  };
  const configs = ['json', 'yaml'].flatMap(inLanguage).filter(({ marks }) => marks.includes('config'));

  test.each(named(configs))('%s is valid, and its engines accept it', async (_, block) => {
    const file = join(folder, `${block.page.replaceAll('/', '__')}.L${block.line}.${block.language}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, block.code);
    const config = parseConfig(await loadConfig({ file, env }));
    for (const { name, type = '', config: own = {} } of config.engines) {
      engines[type]?.(own, { name, path: `the config of ${name}` });
    }
  });
});

describe('JSON', () => {
  test.each(named(inLanguage('json').filter(({ marks }) => marks.includes('cloudevent'))))(
    '%s is a CloudEvent',
    (_, block) => {
      expect(new CloudEvent(JSON.parse(block.code) as object, true).validate()).toBe(true);
    },
  );
});

describe('shell', () => {
  /** The scripts of the root, and of each workspace after its name and a space. */
  const scripts = new Set(
    [
      '.',
      ...['packages', 'examples'].flatMap((folder) =>
        readdirSync(join(root, folder), { withFileTypes: true })
          .filter((entry) => existsSync(join(entry.parentPath, entry.name, 'package.json')))
          .map(({ name }) => `${folder}/${name}`),
      ),
    ].flatMap((folder) => {
      const { name, scripts = {} } = JSON.parse(readPage(join(folder, 'package.json'))) as {
        name: string;
        scripts?: Record<string, string>;
      };
      return Object.keys(scripts).map((script) => (folder === '.' ? script : `${name} ${script}`));
    }),
  );

  test.each(named(inLanguage('sh')))('%s names scripts and files that exist', (_, { code }) => {
    const words = code
      .split('\n')
      .map((line) => line.replace(/#.*/, ''))
      .join('\n');
    const calls = words.matchAll(
      /\bnpm (?:run )?(?!ci|install|init|create|pack|pkg)([\w:]+)(?:.* -w (\S+))?/g,
    );
    const named = [...calls].map(([, script, name]) => (name === undefined ? script! : `${name} ${script}`));
    const paths = [...words.matchAll(/(?<=\s)(?:packages|examples|docs|tests|scripts)\/[\w./-]+/g)].map(
      ([path]) => path,
    );
    expect(named.filter((script) => !scripts.has(script))).toEqual([]);
    // A new user's broker has the version that is tested here.
    const images = [...words.matchAll(/docker run .* (\S+)$/gm)].map(([, image]) => image!);
    const composed = readPage('docker-compose.yml');
    expect(images.filter((image) => !composed.includes(`:-${image}}`))).toEqual([]);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

describe('links', () => {
  test.each(pages().map((page) => [page]))('of %s lead to files and headings that exist', (page) => {
    const broken = linksOf(page).filter(({ path, anchor }) => {
      if (!existsSync(join(root, path))) return true;
      return anchor !== '' && path.endsWith('.md') && !anchorsOf(path).includes(anchor);
    });
    expect(broken.map(({ line, path, anchor }) => `${page}:${line}: ${path}#${anchor}`)).toEqual([]);
  });

  test('of proofs name tests and cases that exist', () => {
    const links = pages().flatMap((page) => linksOf(page).map((link) => ({ ...link, page })));
    const proofs = links.filter(({ title }) => title !== undefined);
    const unproven = proofs.filter(
      ({ path, title }) => !readFileSync(join(root, path), 'utf8').includes(title!),
    );
    expect(
      unproven.map(({ page, line, path, title }) => `${page}:${line}: no "${title}" in ${path}`),
    ).toEqual([]);
  });

  function anchorsOf(page: string): string[] {
    return [...readPage(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    );
  }
});

test('every statement of scheduling-details.md has a proof', () => {
  const bare = readPage('docs/scheduling-details.md')
    .split('\n')
    .map((text, i) => ({ text, line: i + 1 }));
  const statements: { text: string; line: number }[] = [];
  for (const { text, line } of bare) {
    if (text.startsWith('- ')) statements.push({ text, line });
    else if (text.startsWith('  ') && statements.length > 0) statements.at(-1)!.text += ` ${text.trim()}`;
  }
  expect(statements.length).toBeGreaterThan(30);
  expect(statements.filter(({ text }) => !/\]\(\S+ (?:"[^"]+"|'[^']+')\)/.test(text))).toEqual([]);
});
