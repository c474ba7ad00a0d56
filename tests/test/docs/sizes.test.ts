import { expect, test } from 'vitest';
import { type Footprint, complaintsAboutSizes, sizesTable } from '../../../scripts/packages/sizes.ts';

const core: Footprint = { names: ['@polybus/core'], packages: 3, bytes: 2_900_000 };
const redis: Footprint = {
  names: ['@polybus/core', '@polybus/engine-redis'],
  packages: 12,
  bytes: 4_900_000,
};
const readme = `# polybus\n\n${sizesTable([core, redis])}\n`;

test('a table that tells what is measured is right, and one that is near is too', () => {
  expect(complaintsAboutSizes(readme, [core, redis])).toEqual([]);
  expect(complaintsAboutSizes(readme, [{ ...core, bytes: 3_150_000 }])).toEqual([]);
});

test('another number of packages, or a size that is off by more than a tenth, is told with how to write it', () => {
  const measured = [
    { ...core, bytes: 3_300_000 },
    { ...redis, packages: 13, bytes: 4_300_000 },
  ];
  expect(complaintsAboutSizes(readme, measured)).toEqual([
    expect.stringMatching(/^`@polybus\/core`: 3\.3 MB, not 2\.9 MB; .*npm run try:packages -- --write$/),
    expect.stringMatching(/^`@polybus\/core` and `@polybus\/engine-redis`: 13 packages, not 12; /),
    expect.stringMatching(/^`@polybus\/core` and `@polybus\/engine-redis`: 4\.3 MB, not 4\.9 MB; /),
  ]);
});

test('so is a choice of packages that the table has no line for', () => {
  const nats: Footprint = { names: ['@polybus/engine-nats'], packages: 4, bytes: 1 };
  expect(complaintsAboutSizes(readme, [nats])).toEqual([
    expect.stringMatching(/^README\.md says nothing of `@polybus\/engine-nats`/),
  ]);
});
