import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { blocksOf, pages } from '../../test/docs/blocks.ts';

// Runs the blocks that are test suites. Blocks that only declare values cannot run.
const folder = fileURLToPath(new URL('../../.cache/docs-suites', import.meta.url));
mkdirSync(folder, { recursive: true });
const suites = pages()
  .flatMap(blocksOf)
  .filter(({ marks }) => marks.includes('needs=vitest') && !marks.includes('types'));
for (const { page, line, code } of suites) {
  const file = `${folder}/${page.replaceAll('/', '__')}.L${line}.ts`;
  writeFileSync(file, code);
  await import(pathToFileURL(file).href);
}
