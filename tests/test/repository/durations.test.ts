import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../docs/blocks.ts';

const reports = readdirSync(join(root, 'packages'), { recursive: true, encoding: 'utf8' }).filter((file) =>
  /^[\w-]+\/api\/[\w-]+\.api\.md$/.test(file),
);

/** The optional fields of all exported interfaces, which include all options. */
const options = reports
  .flatMap((file) => {
    const report = readFileSync(join(root, 'packages', file), 'utf8');
    return [...report.matchAll(/^ +readonly (\w+)\?: (.+);$/gm)].map(([, name = '', type = '']) => ({
      name,
      type,
    }));
  })
  // A flag is no duration, and a field that must be missing has none.
  .filter(({ type }) => !/^(?:boolean|undefined)\b/.test(type));

test('an option whose name ends in Ms takes a number, and any other duration takes a number or text', () => {
  const inMs = options.filter(({ name }) => name.endsWith('Ms'));
  const others = options.filter(({ name }) => /(?:timeout|interval|duration|delay|ttl)$/i.test(name));
  expect(inMs.filter(({ type }) => !type.startsWith('number'))).toEqual([]);
  expect(others.filter(({ type }) => !/^(?:Duration|TimeToLive)\b/.test(type))).toEqual([]);
  expect(Math.min(inMs.length, others.length)).toBeGreaterThan(3);
});
