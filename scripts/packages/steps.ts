/** Prints the result of each step, and counts the results. */
export class Steps {
  #passed = 0;
  readonly #failed: string[] = [];

  /** Runs a step. Prints and counts a failure; the next step runs nevertheless. */
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

  /** Prints the totals, and sets the exit code 1 if a step failed. */
  end(): void {
    for (const name of this.#failed) console.log(`failed: ${name}`);
    console.log(`${this.#passed} passed, ${this.#failed.length} failed`);
    if (this.#failed.length > 0) process.exitCode = 1;
  }
}

/** Throws an error with all complaints, if there are any. */
export function assertNone(complaints: readonly string[]): void {
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
}
