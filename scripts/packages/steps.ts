/** Says how each step went, and counts them. */
export class Steps {
  #passed = 0;
  readonly #failed: string[] = [];

  /** Runs a step; a failure is told and counted, and the next step runs all the same. */
  async run(name: string, step: () => unknown): Promise<boolean> {
    const startedAt = performance.now();
    const took = (): string => `(${((performance.now() - startedAt) / 1000).toFixed(1)} s)`;
    try {
      await step();
      this.#passed++;
      console.log(`ok    ${name} ${took()}`);
      return true;
    } catch (error) {
      this.#failed.push(name);
      const text = error instanceof Error ? error.message : String(error);
      console.log(`FAIL  ${name} ${took()}\n${text.trimEnd().replace(/^/gm, '      ')}`);
      return false;
    }
  }

  /** Ends the output, and the process with 1 where something failed. */
  end(): void {
    for (const name of this.#failed) console.log(`failed: ${name}`);
    console.log(`${this.#passed} passed, ${this.#failed.length} failed`);
    if (this.#failed.length > 0) process.exitCode = 1;
  }
}

/** Fails with every complaint there is. */
export function assertNone(complaints: readonly string[]): void {
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
}
