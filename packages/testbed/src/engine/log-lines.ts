import type { Logger } from '@polybus/core';

/** Collects log messages as text. */
export class LogLines implements Logger {
  readonly lines: string[] = [];
  /** The lines that are warnings. */
  readonly warnings: string[] = [];

  // Functions, not methods: an engine may take them from the object.
  readonly debug = (message: string, fields?: object): void => this.#add(message, fields);
  readonly info = (message: string, fields?: object): void => this.#add(message, fields);
  readonly error = (message: string, fields?: object): void => this.#add(message, fields);
  readonly warn = (message: string, fields?: object): void => {
    this.#add(message, fields);
    this.warnings.push(this.lines.at(-1) ?? '');
  };

  #add(message: string, fields?: object): void {
    this.lines.push(`${message} ${JSON.stringify(fields)}`);
  }
}
