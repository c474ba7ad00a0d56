// Follows a README as a new user would: runs its commands in an empty folder, and its first program, and compares the output with the
// page. It uses the packed packages, and a broker of the testbed at its own address.
// usage: npm run try:readmes [-- PAGE…]
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startKafka, startKinesis, startRedis } from '@polybus/testbed';
import { runUntil } from '../../tests/brokers/test/run-program.ts';
import {
  type Block,
  addressesInPages,
  blocksOf,
  brokerOf,
  expectedOutput,
  isAsExpected,
} from '../../tests/test/docs/blocks.ts';
import { pack } from './pack.ts';
import { core, isEngine, publishedPackages, root } from './published.ts';
import { run } from './run.ts';
import { Steps, assertNone } from './steps.ts';

const pages = [
  'README.md',
  'docs/quickstart.md',
  'packages/core/README.md',
  ...['memory', 'redis', 'kafka', 'kinesis'].map((type) => `packages/engine-${type}/README.md`),
];
const starters = {
  redis: async (): Promise<Running> => running(await startRedis(), ({ url }) => url),
  kafka: async (): Promise<Running> => running(await startKafka(), ({ brokers }) => brokers[0]!),
  kinesis: async (): Promise<Running> => running(await startKinesis(), ({ endpoint }) => endpoint),
};

interface Running {
  readonly address: string;
  readonly stop: () => Promise<void>;
}

// Without the variables of the outer npm, which would make the inner npm work on our workspace.
for (const name of Object.keys(process.env)) {
  if (/^npm_(?!config_(?:registry|cache|userconfig|cafile)$)|^INIT_CWD$|^NODE_OPTIONS$/i.test(name))
    delete process.env[name];
}

const { positionals: chosen } = parseArgs({ allowPositionals: true });
const steps = new Steps();
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'polybus-readmes-')));
try {
  const tarballs = new Map<string, string>();
  const isPacked = await steps.run('build and npm pack', async () => {
    const used = publishedPackages().filter(({ manifest: { name } }) => name === core || isEngine(name));
    const filters = used.map(({ manifest }) => `--filter=${manifest.name}`);
    await run('npx', ['--no-install', 'turbo', 'run', 'build', ...filters], root);
    for (const one of used)
      tarballs.set(one.manifest.name, (await pack(one, join(folder, 'tarballs'))).tarball);
  });
  for (const page of isPacked ? pages : []) {
    if (chosen.length === 0 || chosen.includes(page))
      await steps.run(page, () => follow(page, tarballs, join(folder, page.replaceAll(/\W+/g, '-'))));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
steps.end();

/** Follows a page in a folder. */
async function follow(page: string, tarballs: ReadonlyMap<string, string>, cwd: string): Promise<void> {
  const program = blocksOf(page).find(({ language }) => language === 'ts');
  const commands = commandsOf(page);
  const last = commands.pop();
  const [, file] = /^npx tsx (\S+\.ts)$/.exec(last ?? '') ?? [];
  if (program === undefined || last === undefined || file === undefined)
    throw new Error(`${page} does not say how to run its first program in an empty folder`);
  const name = brokerOf(program);
  const broker = name === undefined ? undefined : await starters[name]();
  try {
    mkdirSync(cwd);
    const code =
      name === undefined ? program.code : program.code.replaceAll(addressesInPages[name], broker!.address);
    writeFileSync(join(cwd, file), code);
    for (const command of commands) await run('sh', ['-c', withTarballs(command, tarballs)], cwd);
    await isRunBy('npx', ['tsx', file], program, cwd);
    // The pages promise this for this version of Node and later versions.
    const node = await run(join(root, 'scripts/ci/node-binary.sh'), ['22'], root);
    await isRunBy(node.trim(), [file], program, cwd);
  } finally {
    await broker?.stop();
  }
}

/** The commands of a page up to its `npx tsx file.ts`, except commands for a clone and the command that starts the broker. */
function commandsOf(page: string): string[] {
  const lines = blocksOf(page)
    .filter(({ language, code }) => language === 'sh' && !code.includes('npm ci'))
    .flatMap(({ code }) => code.split('\n'));
  const end = lines.findIndex((line) => line.startsWith('npx tsx '));
  return lines.slice(0, end + 1).filter((line) => !line.startsWith('docker run '));
}

/** Replaces the packages by tarballs, because npm does not have them before they are published, or has other versions. */
function withTarballs(command: string, tarballs: ReadonlyMap<string, string>): string {
  return command.replaceAll(/(?<= )@polybus\/\S+/g, (name) => tarballs.get(name) ?? name);
}

async function isRunBy(command: string, args: readonly string[], program: Block, cwd: string): Promise<void> {
  const expected = expectedOutput(program);
  // A program that does not wait for Ctrl-C ends by itself.
  const lines = program.code.includes('SIGINT') ? expected.length : Number.POSITIVE_INFINITY;
  const { printed } = await runUntil(lines, command, args, cwd);
  const isAll = printed.length === expected.length;
  if (isAll && printed.every((line, i) => isAsExpected(line, expected[i]!))) return;
  assertNone([`${command} ${args.join(' ')} has to print:`, ...expected, 'and printed:', ...printed]);
}

function running<B extends { readonly stop: () => Promise<void> }>(
  broker: B,
  addressOf: (broker: B) => string,
): Running {
  return { address: addressOf(broker), stop: broker.stop };
}
