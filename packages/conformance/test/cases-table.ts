import { cases } from '../src/index.ts';

const begin = '<!-- The table below is generated: npm run docs -w @polybus/conformance -->';
const end = '<!-- End of the generated table. -->';

/** Returns the README with the current table of cases. */
export function withCasesTable(readme: string): string {
  const [before, rest] = readme.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new Error('the README has lost the marks around its table');
  return `${before}${begin}\n\n<!-- prettier-ignore-start -->\n\n${table()}\n\n<!-- prettier-ignore-end -->\n\n${end}${after}`;
}

function table(): string {
  const rows = cases.map(({ behaviour, name, rules, needs = {} }) => {
    const capabilities = Object.entries(needs).map(([capability, value]) =>
      value ? capability : `no ${capability}`,
    );
    return `| ${behaviour} | ${name.replaceAll('|', '\\|')} | ${rules.join(', ')} | ${capabilities.join(', ')} |`;
  });
  return [
    '| Behaviour | An engine passes if | Rules | Only with |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
