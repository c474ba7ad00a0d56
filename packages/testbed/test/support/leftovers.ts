import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dockerEngine } from '../../src/machine/docker.ts';
import { ProviderUnavailableError } from '../../src/errors.ts';
import { delay } from '../../src/wait.ts';

const GONE_MS = 20_000;
const LOOK_MS = 50;

/** The mark of processes started under it, direct or not: each inherits its environment. */
const MARK = 'POLYBUS_TESTBED_MARK';

/** An environment for the processes of a test, by which their leftovers can be found. */
export interface Traces {
  readonly env: Readonly<Record<string, string>>;
  /** What there is of it now: `process 12 (…)`, `folder …`, `port …`, `container …`. */
  left(ports: readonly number[]): Promise<readonly string[]>;
  /** Resolves with an empty list when nothing is left, or after 20 s with the leftovers. */
  gone(ports: readonly number[]): Promise<readonly string[]>;
  /** Removes the folder in which temporary folders were made. */
  readonly clear: () => void;
}

/** Finds the leftovers of processes that were started with `env`. Ports and containers are found by port number. */
export function traces(): Traces {
  const mark = randomUUID();
  const folder = mkdtempSync(join(tmpdir(), 'polybus-testbed-traces-'));
  const left = async (ports: readonly number[]): Promise<readonly string[]> => [
    ...processesWith(`${MARK}=${mark}`).map((process) => `process ${process}`),
    ...readdirSync(folder).flatMap((name) => (name.startsWith('polybus-') ? [`folder ${name}`] : [])),
    ...(await openPorts(ports)).map((port) => `port ${String(port)}`),
    ...(await containersOn(ports)).map((id) => `container ${id}`),
  ];
  return {
    env: { [MARK]: mark, TMPDIR: folder },
    left,
    async gone(ports) {
      const deadline = performance.now() + GONE_MS;
      for (;;) {
        const found = await left(ports);
        if (found.length === 0 || performance.now() > deadline) return found;
        await delay(LOOK_MS);
      }
    },
    clear() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Marks this process, so that processes that it starts have the mark until `clear`. */
export function markThisProcess(): Traces {
  const marked = traces();
  const { TMPDIR } = process.env;
  Object.assign(process.env, marked.env);
  return {
    ...marked,
    clear() {
      if (TMPDIR === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = TMPDIR;
      marked.clear();
    },
  };
}

/** Finds other processes with an entry in their environment. Works on Linux only; elsewhere it finds none. */
function processesWith(entry: string): readonly string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) return [];
    try {
      // The initial environment of the process. redis-server overwrites it to show its address; it is found by its port.
      const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      if (!entries.includes(entry)) return [];
      return [`${pid} (${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').slice(0, 80)})`];
    } catch {
      // It ended while being looked at.
      return [];
    }
  });
}

async function openPorts(ports: readonly number[]): Promise<readonly number[]> {
  const open = await Promise.all(ports.map(async (port) => ({ port, open: await accepts(port) })));
  return open.flatMap(({ port, open }) => (open ? [port] : []));
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}

async function containersOn(ports: readonly number[]): Promise<readonly string[]> {
  try {
    const { dockerode } = (await dockerEngine()).client.container;
    const found: string[] = [];
    for (const { Id } of await dockerode.listContainers({ all: true })) {
      const { HostConfig } = await dockerode.getContainer(Id).inspect();
      const bindings = Object.values(
        (HostConfig.PortBindings ?? {}) as Record<string, { HostPort: string }[]>,
      );
      if (bindings.flat().some(({ HostPort }) => ports.includes(Number(HostPort))))
        found.push(Id.slice(0, 12));
    }
    return found;
  } catch (error) {
    if (error instanceof ProviderUnavailableError) return [];
    // One was removed while they were being looked at, maybe one of these: look again.
    if ((error as { statusCode?: number }).statusCode === 404) return ['being removed'];
    throw error;
  }
}
