import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import parse, { type Family } from 'parse-prometheus-text-format';
import type { Registry } from 'prom-client';

export interface Scrape {
  readonly contentType: string | null;
  /** The metrics as a third-party parser reads them. */
  readonly families: ReadonlyMap<string, Family>;
  /** The value of the one series with just these labels. */
  readonly value: (name: string, labels: Readonly<Record<string, string>>) => number | undefined;
}

/** Serves a registry over HTTP as an application does, scrapes it as Prometheus does, and parses what comes. */
export async function scrape(register: Registry): Promise<Scrape> {
  const server = createServer((_, response) => {
    void register.metrics().then((text) => {
      response.setHeader('content-type', register.contentType);
      response.end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { connection: 'close' } });
    const text = await response.text();
    const samples = samplesOf(text);
    return {
      contentType: response.headers.get('content-type'),
      families: new Map(parse(text).map((family) => [family.name, family])),
      value: (name, labels) => samples.get(seriesOf(name, labels)),
    };
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function seriesOf(name: string, labels: Readonly<Record<string, string>>): string {
  return JSON.stringify([name, Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}

const name = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const label = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"`;
const number = String.raw`(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)`;
const comment = new RegExp(`^(?:|# HELP ${name} .*|# TYPE ${name} (?:counter|gauge|histogram))$`);
const sample = new RegExp(String.raw`^(${name})(?:\{(${label}(?:,${label})*)\})? (${number})$`);

/** The samples of a text in the format 0.0.4, of which nothing is let pass that Prometheus would not take. */
function samplesOf(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error('the last line does not end');
  for (const line of lines.filter((one) => !comment.test(one))) {
    const [, metric, labels = '', value] = sample.exec(line) ?? [];
    if (metric === undefined) throw new Error(`not the text format: ${line}`);
    const pairs = Object.fromEntries(
      [...labels.matchAll(/([^=,]+)=("(?:[^"\\]|\\.)*")/g)].map(([, key = '', quoted = '']) => [
        key,
        String(JSON.parse(quoted)),
      ]),
    );
    const series = seriesOf(metric, pairs);
    if (samples.has(series)) throw new Error(`the series is there twice: ${line}`);
    samples.set(series, Number(value));
  }
  return samples;
}
