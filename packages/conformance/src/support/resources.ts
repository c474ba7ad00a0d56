import { AsyncLocalStorage, createHook } from 'node:async_hooks';

/** The kinds of asynchronous resources that hold a system resource or run a callback later. */
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
 * Tracks the timers, sockets and other handles that some code creates, directly or in callbacks. Resources of other code do not
 * count, because each resource belongs to the asynchronous context that created it. Timers that do not keep the process alive
 * count as well; `process.getActiveResourcesInfo()` would not list them.
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

  /** Runs the code and tracks the resources that it creates, until `end`. */
  run<T>(code: () => T): T {
    this.#hook.enable();
    return this.#context.run(true, code);
  }

  /** Runs code whose resources do not count, even inside `run`. */
  exempt<T>(code: () => T): T {
    return this.#context.exit(code);
  }

  end(): void {
    this.#hook.disable();
  }

  /** The resources that still exist, each with the stack that created it. */
  get left(): string[] {
    return [...this.#alive.values()].map(({ kind, madeAt }) => `${kind}\n${madeAt}`);
  }
}

function stack(): string {
  const lines = (new Error('here').stack ?? '').split('\n').slice(1);
  // Frames of the hook itself and of Node's own files do not help.
  return lines.filter((line) => !line.includes('resources.') && !line.includes('(node:')).join('\n');
}
