import { join } from 'node:path';
import { root } from './published.ts';
import { run } from './run.ts';

/** The major versions of Node on which the packages are tried. */
const majors = [20, 22, 24, 26];

export interface NodeBinary {
  readonly major: number;
  readonly path: string;
}

/** One binary of each major version: this one, and the others from npm's package `node`. */
export async function nodeBinaries(): Promise<NodeBinary[]> {
  const own = Number(process.versions.node.split('.')[0]);
  const binaries: NodeBinary[] = [];
  for (const major of majors) {
    const path =
      major === own
        ? process.execPath
        : (await run(join(root, 'scripts/ci/node-binary.sh'), [String(major)], root)).trim();
    binaries.push({ major, path });
  }
  return binaries;
}
