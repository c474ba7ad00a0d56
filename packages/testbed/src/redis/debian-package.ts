import { access, rm, writeFile } from 'node:fs/promises';
import { findExecutable, run } from '../machine/executables.ts';
import { guard } from '../machine/watchdog.ts';

const UPDATE_MS = 5 * 60_000;
const INSTALL_MS = 5 * 60_000;
const POLICY = '/usr/sbin/policy-rc.d';

/** True if this process can install Debian packages: it runs as root, and there is an apt-get. */
export async function canInstallDebianPackages(): Promise<boolean> {
  return process.getuid?.() === 0 && (await findExecutable('apt-get')) !== undefined;
}

/** Runs `work` while newly installed packages do not start their services: the testbed starts its own. */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  try {
    await access(POLICY);
    // The machine has its own policy.
    await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // If it remained after a crash, no package would start its service any more.
    const release = guard({ kind: 'folder', path: POLICY });
    try {
      await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
      await work();
    } finally {
      await rm(POLICY, { force: true });
      release();
    }
  }
}

/**
 * Installs a Debian package without recommended packages and without starting services. Waits for other installations in progress.
 *
 * @throws Error with the output of apt-get if it fails
 */
export async function installDebianPackage(name: string): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const install = ['-y', '-q', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=240', 'install', name];
  await withoutServices(async () => {
    await run('apt-get', ['-q', 'update'], { timeoutMs: UPDATE_MS, env });
    // An interrupted installation would leave a broken package system.
    await run('apt-get', install, { timeoutMs: INSTALL_MS, env, outlives: true });
  });
}
