import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/** Node.js 22.18 and later remove types by themselves. The types of Node.js 20 do not have the field. */
const loadsTypeScript = (): boolean => Boolean(Reflect.get(process.features, 'typescript'));

const isTypeScript = (module: URL): boolean => /\.[cm]?tsx?$/.test(module.pathname);

/**
 * The arguments of Node.js with which a child process can load the modules: the export conditions of this process, and a loader
 * for TypeScript if this version of Node.js cannot load it by itself.
 *
 * @throws if a module is TypeScript and no loader is installed.
 */
export function argumentsToLoad(...modules: readonly URL[]): string[] {
  const args = conditionsOf(process.execArgv);
  const typed = modules.find(isTypeScript);
  if (typed === undefined || loadsTypeScript()) return args;
  return [...args, '--import', tsxOf(typed)];
}

function conditionsOf(execArgv: readonly string[]): string[] {
  return execArgv.flatMap((arg, at) => {
    if (arg.startsWith('--conditions=')) return [arg];
    const value = execArgv[at + 1];
    return (arg === '--conditions' || arg === '-C') && value !== undefined ? [`--conditions=${value}`] : [];
  });
}

function tsxOf(module: URL): string {
  try {
    return pathToFileURL(createRequire(module).resolve('tsx')).href;
  } catch (cause) {
    throw new Error(
      `A process cannot load ${module.href}: Node.js ${process.version} does not load TypeScript by itself. Install tsx as a ` +
        'development dependency, run the tests on Node.js 22.18 or later, or set the option `processes.execArgv` to the ' +
        'arguments of another loader.',
      { cause },
    );
  }
}
