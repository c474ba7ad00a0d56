import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { check } from 'recheck';
import { parseAst } from 'vite';
import { expect, test } from 'vitest';
import { root } from '../docs/blocks.ts';
import { sourcesOfPackages } from './sources.ts';

/** The regular expressions of a file. */
function expressionsIn(file: string): { pattern: string; flags: string }[] {
  const found: { pattern: string; flags: string }[] = [];
  const tree = parseAst(readFileSync(file, 'utf8'), { lang: 'ts' });
  JSON.stringify(tree, (name, value: unknown) => {
    if (name === 'regex') found.push(value as (typeof found)[number]);
    return typeof value === 'bigint' ? String(value) : value;
  });
  return found;
}

test(
  'each regular expression takes a time that is linear in the length of its text',
  { timeout: 120_000 },
  async () => {
    const slow: string[] = [];
    let count = 0;
    for (const file of sourcesOfPackages()) {
      for (const { pattern, flags } of expressionsIn(file)) {
        count++;
        const found = await check(pattern, flags);
        if (found.status !== 'safe')
          slow.push(`${relative(root, file)}: /${pattern}/${flags}: ${found.status}`);
      }
    }
    expect(count).toBeGreaterThan(50);
    expect(slow).toEqual([]);
  },
);

test('no source makes a regular expression from text, which the test above would not see', () => {
  const found = sourcesOfPackages().filter((file) => /\bnew RegExp\(/.test(readFileSync(file, 'utf8')));
  expect(found.map((file) => relative(root, file))).toEqual([
    join('packages', 'create-polybus-engine', 'src', 'naming.ts'),
  ]);
});
