import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

const isTerminal = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;

/** Colour for terminals; plain text for files and pipes. */
export function paint(style: Style, text: string): string {
  return isTerminal ? styleText(style, text) : text;
}

/** Text cut or filled to a width. */
export function fit(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
}

/** Shows what a kind of consumer did with an event of a topic. */
export type Tell = (kind: string, topic: string, text: string) => void;

const styles: Readonly<Record<string, Style>> = {
  wildcard: 'cyan',
  typed: 'green',
  async: 'blue',
  retried: 'yellow',
  'dead letter': 'red',
  log: 'gray',
};

/** Lines that stay, and below them a status that is drawn over again on a terminal, and now and then in a file. */
export class Screen {
  readonly #status: () => string[];
  readonly #timer: NodeJS.Timeout;
  readonly #told = new Map<string, Set<string>>();
  /** Lines of the status that are on the terminal. */
  #drawn = 0;

  constructor(status: () => string[]) {
    this.#status = status;
    this.#timer = setInterval(() => this.#draw(), isTerminal ? 80 : 500);
  }

  /** The first few topics of each kind: enough to see what goes on. */
  readonly tell: Tell = (kind, topic, text) => {
    const told = this.#told.get(kind) ?? new Set();
    if (told.size >= 3 || told.has(topic)) return;
    this.#told.set(kind, told.add(topic));
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
