import { access, rm, writeFile } from 'node:fs/promises';
import { findExecutable, run } from '../machine/executables.ts';
import { guard } from '../machine/watchdog.ts';

const UPDATE_MS = 5 * 60_000;
const INSTALL_MS = 5 * 60_000;
const POLICY = '/usr/sbin/policy-rc.d';

/** Whether this process may install Debian packages: it is root and there is an apt-get. */
export async function canInstallDebianPackages(): Promise<boolean> {
  return process.getuid?.() === 0 && (await findExecutable('apt-get')) !== undefined;
}

/** Runs `work` while packages that are installed are kept from starting their services: the testbed starts its own. */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  try {
    await access(POLICY);
    // The machine has a policy of its own.
    await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // Left behind by a crash, it would keep every package from ever starting its service.
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
 * Installs a Debian package without its recommended ones and without starting services. Waits for another installation
 * that is under way.
 *
 * @throws Error with apt-get's output when it fails
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
