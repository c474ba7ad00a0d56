import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import {
  type Block,
  addressesInPages,
  blocksOf,
  brokerOf,
  expectedOutput,
  isAsExpected,
  pages,
} from '../../test/docs/blocks.ts';
import { runUntil } from './run-program.ts';

const folder = fileURLToPath(new URL('../../.cache/docs-brokers', import.meta.url));
const tsx = import.meta.resolve('tsx');
const blocks = pages().flatMap(blocksOf);

describeWithBroker('redis', 'blocks that need Redis', ({ url }) => blocksRunOn('redis', url));
describeWithBroker('kafka', 'blocks that need Kafka', ({ brokers }) => blocksRunOn('kafka', brokers[0]!));
describeWithBroker('kinesis', 'blocks that need Kinesis', ({ endpoint }) => blocksRunOn('kinesis', endpoint));

function blocksRunOn(broker: keyof typeof addressesInPages, address: string): void {
  const named = blocks
    .filter((block) => brokerOf(block) === broker)
    .map((block): [string, Block] => [`${block.page}:${block.line}`, block]);

  test.each(named)('%s runs, prints the expected output, and ends when it is asked to', async (_, block) => {
    expect(block.code).toContain(addressesInPages[broker]);
    mkdirSync(folder, { recursive: true });
    // A separate folder, because some programs write files. It is in the workspace, so that programs find the packages.
    const cwd = mkdtempSync(join(folder, 'block-'));
    onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
    const file = join(cwd, 'block.ts');
    writeFileSync(file, `${block.code.replaceAll(addressesInPages[broker], address)}\n`);

    const expected = expectedOutput(block);
    const args = ['--import', tsx, '--conditions=@polybus/source', file];
    const { printed, code } = await runUntil(expected.length, process.execPath, args, cwd);
    const lines = printed.map((line, i) => (isAsExpected(line, expected[i] ?? '') ? expected[i] : line));
    expect({ lines, code }).toEqual({ lines: expected, code: 0 });
    expect(expected.length).toBeGreaterThan(0);
  });
}
