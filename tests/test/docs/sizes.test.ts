import { expect, test } from 'vitest';
import { type Footprint, complaintsAboutSizes, sizesTable } from '../../../scripts/packages/sizes.ts';

const core: Footprint = { names: ['@polybus/core'], packages: 3, bytes: 2_900_000 };
const redis: Footprint = {
  names: ['@polybus/core', '@polybus/engine-redis'],
  packages: 12,
  bytes: 4_900_000,
};
const readme = `# polybus\n\n${sizesTable([core, redis])}\n`;

test('a table with the measured values is right, and a table with similar values too', () => {
  expect(complaintsAboutSizes(readme, [core, redis])).toEqual([]);
  expect(complaintsAboutSizes(readme, [{ ...core, bytes: 3_150_000 }])).toEqual([]);
});

test('another number of packages, or a size that is off by more than a tenth, is reported with the command that updates it', () => {
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

test('so is a missing line of the table', () => {
  const nats: Footprint = { names: ['@polybus/engine-nats'], packages: 4, bytes: 1 };
  expect(complaintsAboutSizes(readme, [nats])).toEqual([
    expect.stringMatching(/^README\.md says nothing of `@polybus\/engine-nats`/),
  ]);
});
