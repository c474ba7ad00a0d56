import { copyFileSync, cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Trial } from './alone.ts';
import { installAlone } from './project.ts';
import { core } from './published.ts';
import { run } from './run.ts';

const engine = '@polybus/engine-memory';

/**
 * Tries an application in the layout of a strict package manager: each package can import only its own dependencies, so core cannot import
 * an engine, and only the application's folder has links to both. The application is started in the workspace's folder and elsewhere.
 */
export async function tryNested({ steps, all, nodes, folder }: Trial): Promise<void> {
  if (!all.some(({ manifest }) => manifest.name === engine)) return;
  await steps.run('an application in a strict layout: an engine is found by its type', async () => {
    const workspace = join(folder, 'nested');
    const flat = join(folder, 'flat');
    await installAlone(flat, [core, engine], all);
    const store = (name: string): string =>
      join(workspace, 'node_modules/.store', name.replace('/', '+'), 'node_modules');
    for (const name of [core, engine]) {
      for (const own of [name, 'uuidv7', 'valibot']) {
        cpSync(join(flat, 'node_modules', own), join(store(name), own), { recursive: true });
      }
    }
    link(join(store(core), core), join(store(engine), core));
    const application = join(workspace, 'apps/web');
    for (const name of [core, engine]) link(join(store(name), name), join(application, 'node_modules', name));
    const program = join(application, 'publish-and-receive.mjs');
    copyFileSync(join(import.meta.dirname, 'programs/publish-and-receive.mjs'), program);
    for (const { path } of nodes) {
      for (const cwd of [workspace, application, flat, folder]) await run(path, [program, 'memory'], cwd);
    }
  });
}

function link(target: string, at: string): void {
  mkdirSync(dirname(at), { recursive: true });
  symlinkSync(target, at, 'junction');
}
