import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

const isTerminal = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;

/** Colour for terminals; plain text for files and pipes. */
export function paint(style: Style, text: string): string {
  return isTerminal ? styleText(style, text) : text;
}

/** Truncates or pads a text to a width. */
export function fit(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
}

/** Shows what a kind of consumer did with an event of a topic. */
export type Show = (kind: string, topic: string, text: string) => void;

const styles: Readonly<Record<string, Style>> = {
  wildcard: 'cyan',
  typed: 'green',
  async: 'blue',
  retried: 'yellow',
  'dead letter': 'red',
  log: 'gray',
};

/** Prints lines and, below them, a status that is redrawn on a terminal and repeated at intervals in a file. */
export class Screen {
  readonly #status: () => string[];
  readonly #timer: NodeJS.Timeout;
  readonly #shown = new Map<string, Set<string>>();
  /** Number of status lines on the terminal. */
  #drawn = 0;

  constructor(status: () => string[]) {
    this.#status = status;
    this.#timer = setInterval(() => this.#draw(), isTerminal ? 80 : 500);
  }

  /** Prints only the first few topics of each kind. */
  readonly show: Show = (kind, topic, text) => {
    const shown = this.#shown.get(kind) ?? new Set();
    if (shown.size >= 3 || shown.has(topic)) return;
    this.#shown.set(kind, shown.add(topic));
    this.line(
      `  ${paint(styles[kind] ?? 'reset', kind.padEnd(12))}${fit(topic, 36)}  ${fit(text, 57).trimEnd()}`,
    );
  };

  line(text: string): void {
    this.#clear();
    console.log(text);
    if (isTerminal) this.#draw();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#draw();
    console.log();
    this.#drawn = 0;
  }

  #draw(): void {
    this.#clear();
    const lines = this.#status();
    console.log(lines.join('\n'));
    this.#drawn = isTerminal ? lines.length : 0;
  }

  #clear(): void {
    if (this.#drawn > 0) process.stdout.write(`\u001b[${this.#drawn}A\u001b[J`);
    this.#drawn = 0;
  }
}
