import { readFileSync } from 'node:fs';
import { matchesTopic } from '@polybus/core/engine';
import { describe, expect, test } from 'vitest';
import { cases, wildcardTable } from '../src/index.ts';
import { withCasesTable } from './cases-table.ts';

describe('the list of cases', () => {
  test('has unique names', () => {
    const names = cases.map(({ behaviour, name }) => `${behaviour}: ${name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  test('tests every rule of the README', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const [list] = readme.split('## The rules')[1]!.split('## The cases');
    const numbers = [...list!.matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number));
    const rules = new Set(cases.flatMap((one) => one.rules));
    expect([...rules].sort((a, b) => a - b)).toEqual(numbers);
  });

  test('has the cases that the README compares with the 16 of Watermill', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const rows = [...readme.matchAll(/^\| `Test\w+` +\| (.*?) +\|$/gm)].map(([, name]) => name ?? '');
    expect(rows).toHaveLength(16);
    const names = cases.map(({ behaviour, name }) => `${behaviour}: ${name}`);
    expect(rows.filter((name) => !names.includes(name))).toEqual([]);
  });

  test('is the table in the README', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    expect(withCasesTable(readme) === readme, 'npm run docs -w @polybus/conformance').toBe(true);
  });
});

describe('the table of wildcards', () => {
  test.each(wildcardTable)("has the result of core's matcher: $pattern", ({ pattern, matches, passes }) => {
    expect(matches.filter((topic) => !matchesTopic(pattern, topic))).toEqual([]);
    expect(passes.filter((topic) => matchesTopic(pattern, topic))).toEqual([]);
  });
});
