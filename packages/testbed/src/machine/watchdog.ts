import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The address of a Docker engine's API: a local socket, or a host and port. */
export type DockerAddress =
  { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** A resource that must not outlive this process. */
export type Resource =
  | { readonly kind: 'process'; readonly pid: number }
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'container'; readonly label: string; readonly engine: DockerAddress };

const script = fileURLToPath(new URL('../../assets/watchdog.mjs', import.meta.url));
const guarded = new Map<string, Resource & { readonly id: string; readonly startTime?: string }>();
let child: ChildProcess | undefined;

/** When a process started, in clock ticks since boot, to detect that another process has reused its id. Linux only. */
function startTimeOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function send(message: unknown): void {
  child?.stdin?.write(`${JSON.stringify(message)}\n`);
}

function startWatchdog(): void {
  // Detached: in its own session, a terminal's Ctrl-C does not reach it.
  const started = spawn(process.execPath, [script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  child = started;
  // It must not keep this process alive, because it waits for the end of this process.
  started.unref();
  (started.stdin as unknown as { unref(): void }).unref();
  started.stdin.on('error', () => undefined);
  started.once('error', () => undefined);
  started.once('exit', () => {
    if (child !== started) return;
    child = undefined;
    // The watchdog was ended: the resources still need one.
    if (guarded.size > 0) startWatchdog();
  });
  for (const resource of guarded.values()) send({ add: resource });
}

/**
 * Registers a resource with the watchdog, which ends or removes it if this process dies by a crash, SIGKILL or Ctrl-C. Returns a
 * function to call once the resource is gone.
 */
export function guard(resource: Resource): () => void {
  const id = randomUUID();
  const startTime = resource.kind === 'process' ? startTimeOf(resource.pid) : undefined;
  const entry = { ...resource, id, ...(startTime === undefined ? {} : { startTime }) };
  guarded.set(id, entry);
  if (child === undefined) startWatchdog();
  else send({ add: entry });
  return () => {
    if (!guarded.delete(id)) return;
    send({ drop: id });
    if (guarded.size > 0) return;
    // No resources are left: the watchdog ends with its input, so that no process remains.
    const idle = child;
    child = undefined;
    idle?.stdin?.end();
  };
}
