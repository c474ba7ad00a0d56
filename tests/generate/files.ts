import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { readPage, root } from '../test/docs/blocks.ts';
import { guaranteesSection } from './guarantees.ts';
import { configJsonSchema } from './json-schema.ts';
import { configReference } from './reference.ts';

const begin = '<!-- generated: npm run generate -->';
const end = '<!-- end of what is generated -->';

/** What the files that are generated have to hold, by their paths from the root. */
export async function generatedFiles(): Promise<Record<string, string>> {
  const page = 'docs/configuration.md';
  const guarantees = 'docs/delivery-guarantees.md';
  const schema = 'packages/core/polybus.schema.json';
  const files = {
    [schema]: JSON.stringify(await configJsonSchema()),
    [guarantees]: replaced(readPage(guarantees), await guaranteesSection()),
    [page]: replaced(readPage(page), await configReference()),
  };
  const formatted = Object.entries(files).map(async ([path, text]): Promise<[string, string]> => {
    const filepath = join(root, path);
    return [path, await format(text, { ...(await resolveConfig(filepath)), filepath })];
  });
  return Object.fromEntries(await Promise.all(formatted));
}

function replaced(page: string, reference: string): string {
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`the page has no "${begin}" … "${end}"`);
  return `${before}${begin}\n\n${reference}\n\n${end}${after}`;
}
