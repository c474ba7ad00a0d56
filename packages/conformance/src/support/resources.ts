import { AsyncLocalStorage, createHook } from 'node:async_hooks';

/** What holds something of the system, or calls somebody later. */
const kinds = new Set([
  'Timeout',
  'TCPWRAP',
  'TCPSERVERWRAP',
  'TLSWRAP',
  'PIPEWRAP',
  'PIPESERVERWRAP',
  'UDPWRAP',
  'PROCESSWRAP',
  'WORKER',
  'FSEVENTWRAP',
  'STATWATCHER',
  'SIGNALWRAP',
]);

interface Resource {
  readonly kind: string;
  readonly madeAt: string;
}

/**
 * The timers, sockets and other handles that some code made, and everything that it set going. Those of code beside it do
 * not count: each resource belongs to the asynchronous context it was made in. Timers that do not keep the process alive
 * count too, which `process.getActiveResourcesInfo()` would not list.
 */
export class ResourceWatch {
  readonly #context = new AsyncLocalStorage<true>();
  readonly #alive = new Map<number, Resource>();
  readonly #hook = createHook({
    init: (id, kind) => {
      if (kinds.has(kind) && this.#context.getStore() === true)
        this.#alive.set(id, { kind, madeAt: stack() });
    },
    destroy: (id) => {
      this.#alive.delete(id);
    },
  });

  /** Runs the code and watches what it makes, until `end`. */
  run<T>(code: () => T): T {
    this.#hook.enable();
    return this.#context.run(true, code);
  }

  /** Runs code whose resources do not count, although it is called by code that is watched. */
  exempt<T>(code: () => T): T {
    return this.#context.exit(code);
  }

  end(): void {
    this.#hook.disable();
  }

  /** What is left, with the place where it was made. */
  get left(): string[] {
    return [...this.#alive.values()].map(({ kind, madeAt }) => `${kind}\n${madeAt}`);
  }
}

function stack(): string {
  const lines = (new Error('here').stack ?? '').split('\n').slice(1);
  // The hook itself and Node's own files say nothing.
  return lines.filter((line) => !line.includes('resources.') && !line.includes('(node:')).join('\n');
}
