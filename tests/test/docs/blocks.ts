import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root: string = fileURLToPath(new URL('../../..', import.meta.url));

/** A fenced block of a page. */
export interface Block {
  /** The page, from the root of the repository, with slashes. */
  readonly page: string;
  /** The line of the page on which the code begins. */
  readonly line: number;
  readonly language: string;
  /** What follows the language, such as `needs=redis`. */
  readonly marks: readonly string[];
  readonly code: string;
}

/** The template of the page that a new engine gets: names stand in it for the engine's own. */
export const templatePage = 'packages/create-polybus-engine/templates/README.md';

/** Every page of the documentation: those at the root, below docs, the README of each workspace, and those of scripts. */
export function pages(): string[] {
  const inFolder = (folder: string, isRecursive: boolean): string[] =>
    readdirSync(join(root, folder), { recursive: isRecursive, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
      .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
  const workspaces = ['packages', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => `${folder}/${name}`),
  );
  const folders = ['.', 'tests', 'benchmarks', ...workspaces].filter((folder) =>
    existsSync(join(root, folder)),
  );
  const whole = ['docs', 'scripts'].flatMap((folder) => inFolder(folder, true));
  return [...folders.flatMap((folder) => inFolder(folder, false)), ...whole, templatePage]
    .filter((page) => !page.endsWith('CHANGELOG.md'))
    .sort();
}

export function readPage(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

/** The fenced blocks of a page; the indent of a list is taken off. */
export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let open: { fence: string; indent: number; info: string; line: number; code: string[] } | undefined;
  readPage(page)
    .split('\n')
    .forEach((text, i) => {
      const [, indent = '', fence, info = ''] = /^( *)(`{3,}|~{3,})(.*)$/.exec(text) ?? [];
      if (open === undefined) {
        if (fence !== undefined)
          open = { fence, indent: indent.length, info: info.trim(), line: i + 2, code: [] };
      } else if (fence?.startsWith(open.fence) === true && info.trim() === '') {
        const [language = '', ...marks] = open.info.split(/ +/);
        blocks.push({ page, line: open.line, language, marks, code: open.code.join('\n') });
        open = undefined;
      } else {
        open.code.push(text.slice(open.indent));
      }
    });
  if (open !== undefined) throw new Error(`${page}:${open.line}: the block is not closed`);
  return blocks;
}

/** The addresses of brokers in the pages, as with `docker run` and `docker compose`. */
export const addressesInPages = {
  redis: 'redis://localhost:6379',
  kafka: 'localhost:9092',
  kinesis: 'http://localhost:4566',
} as const;

/** The broker that a block needs, by its mark `needs=…`. */
export function brokerOf({ marks }: Block): keyof typeof addressesInPages | undefined {
  const names = Object.keys(addressesInPages) as (keyof typeof addressesInPages)[];
  return names.find((name) => marks.includes(`needs=${name}`));
}

/** The expected output of a block: the text of its comments `// → text`, in order. */
export function expectedOutput({ code }: Block): string[] {
  return [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, text]) => text!.trim());
}

/** Returns true if the printed line matches the expected line, in which `…` stands for any text. */
export function isAsExpected(printed: string, expected: string): boolean {
  const pattern = expected
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join('.*');
  return new RegExp(`^${pattern}$`, 's').test(printed);
}

/** The links of a page to files of the repository, with their titles. */
export function linksOf(
  page: string,
): { line: number; path: string; anchor: string; title: string | undefined }[] {
  return readPage(page)
    .split('\n')
    .flatMap((text, i) =>
      [...text.matchAll(/\]\(([^)\s#]*)(#[^)\s]*)?(?:\s+(?:"([^"]*)"|'([^']*)'))?\)/g)]
        .filter(([, path]) => !/^[a-z]+:/.test(path!))
        .map(([, path = '', anchor = '', double, single]) => ({
          line: i + 1,
          path: path === '' ? page : join(dirname(page), path).split(sep).join('/'),
          anchor: anchor.slice(1),
          title: double ?? single,
        })),
    );
}
