import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/**
 * Runs a program to its end, for five minutes at most.
 *
 * @returns its output.
 * @throws an error with its output, if it failed.
 */
export async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    const { stdout } = await execute(program, args, {
      cwd,
      env: environment(),
      maxBuffer: 2 ** 26,
      timeout: 300_000,
    });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as Partial<Record<'stdout' | 'stderr', string>>;
    const reason = stdout + stderr === '' ? String(error) : `${stdout}${stderr}`;
    throw new Error(`${program} ${args.join(' ')}\n${reason}`, { cause: error });
  }
}

/** The environment without the variables of an outer package manager, which would make the inner one work on our workspace. */
function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^npm_|^INIT_CWD$|^NODE_OPTIONS$/i.test(name));
  return {
    ...Object.fromEntries(own),
    ...registrySettings(),
    NO_COLOR: '1',
    FORCE_COLOR: '0',
    TURBO_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
  };
}

/** The variables that select the registry, because the registry depends on the machine, not on the workspace. */
function registrySettings(): Record<string, string> {
  const names = ['npm_config_registry', 'npm_config_cache', 'npm_config_userconfig', 'npm_config_cafile'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
