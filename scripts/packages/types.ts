import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './published.ts';
import { run } from './run.ts';

const compiler = join(root, 'node_modules/typescript/bin/tsc');

/** Type-checks a program that uses every entry point, as a strict user's compiler would, declarations included. */
export async function checkTypes(
  folder: string,
  entries: readonly string[],
  resolution: Resolution,
): Promise<void> {
  writeFileSync(join(folder, 'types.ts'), program(entries));
  const files = ['types.ts'];
  if (resolution === 'nodenext') {
    writeFileSync(join(folder, 'required.cts'), requiringProgram(entries));
    files.push('required.cts');
  }
  const config = join(folder, `tsconfig.${resolution}.json`);
  const compilerOptions = {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    target: 'es2023',
    lib: ['es2023'],
    module: resolution === 'bundler' ? 'esnext' : 'nodenext',
    moduleResolution: resolution,
    // All packages that the pages require in addition to ours.
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    skipLibCheck: false,
  };
  writeFileSync(config, JSON.stringify({ compilerOptions, files }));
  await run(process.execPath, [compiler, '--project', config, '--pretty', 'false'], folder);
}

export type Resolution = 'nodenext' | 'bundler';

function program(entries: readonly string[]): string {
  const imports = entries.map((entry, i) => `import * as module${i} from '${entry}';`);
  return `${imports.join('\n')}
import { createEventBus } from '@polybus/core';

export const modules: readonly object[] = [${entries.map((_, i) => `module${i}`).join(', ')}];

const bus = createEventBus<{ 'user.created': { id: string } }>();
await bus.subscribe('user.*', ({ payload }) => void payload.id.toUpperCase());
await bus.publish('user.created', { id: 'u1' });
// @ts-expect-error A payload of another type is refused.
await bus.publish('user.created', { id: 1 });
`;
}

function requiringProgram(entries: readonly string[]): string {
  const imports = entries.map((entry, i) => `import module${i} = require('${entry}');`);
  return `${imports.join('\n')}

export const modules: readonly object[] = [${entries.map((_, i) => `module${i}`).join(', ')}];
`;
}
