import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { readPage, root } from '../test/docs/blocks.ts';
import { benchmarkCharts } from './benchmark-chart.ts';
import { benchmarkSection, benchmarkSummary } from './benchmark-page.ts';
import { guaranteesSection } from './guarantees.ts';
import { configJsonSchema } from './json-schema.ts';
import { configReference } from './reference.ts';
import { optionReference } from './options.ts';
import { faultList, reliabilitySection } from './reliability.ts';
import { chartFile, reliabilityChart } from './reliability-chart.ts';
import { diagramOf, roomsOf } from './rooms.ts';

const begin = '<!-- generated: npm run generate -->';
const end = '<!-- end of what is generated -->';

/** The contents of the generated files, by their paths from the root. */
export async function generatedFiles(): Promise<Record<string, string>> {
  const architecture = 'docs/architecture.md';
  const benchmarks = 'docs/benchmarks.md';
  const page = 'docs/configuration.md';
  const readme = 'README.md';
  const guarantees = 'docs/delivery-guarantees.md';
  const options = 'docs/options.md';
  const reliability = 'docs/reliability.md';
  const schema = 'packages/core/polybus.schema.json';
  const files = {
    [schema]: JSON.stringify(await configJsonSchema()),
    [architecture]: replaced(
      readPage(architecture),
      diagramOf(roomsOf('core')),
      diagramOf(roomsOf('engine-kafka')),
    ),
    [benchmarks]: replaced(readPage(benchmarks), benchmarkSection()),
    [readme]: replaced(readPage(readme), benchmarkSummary()),
    [guarantees]: replaced(readPage(guarantees), await guaranteesSection()),
    [options]: replaced(readPage(options), await optionReference()),
    [reliability]: replaced(readPage(reliability), reliabilitySection(), faultList()),
    [page]: replaced(readPage(page), await configReference()),
  };
  const formatted = Object.entries(files).map(async ([path, text]): Promise<[string, string]> => {
    const filepath = join(root, path);
    return [path, await format(text, { ...(await resolveConfig(filepath)), filepath })];
  });
  return Object.fromEntries([
    ...(await Promise.all(formatted)),
    [chartFile, reliabilityChart()],
    ...Object.entries(benchmarkCharts()),
  ]);
}

/** Replaces the generated sections of a page, in their order. */
function replaced(page: string, ...sections: readonly string[]): string {
  const [start, ...rest] = page.split(begin);
  const found = rest.map((part) => part.split(end));
  if (found.length !== sections.length || found.some((parts) => parts.length !== 2))
    throw new Error(`the page does not have ${sections.length} sections "${begin}" … "${end}"`);
  return sections.reduce(
    (text, section, i) => `${text}${begin}\n\n${section}\n\n${end}${found[i]![1]!}`,
    start!,
  );
}
