import { readFileSync, writeFileSync } from 'node:fs';
import { withCasesTable } from './cases-table.ts';

const readme = new URL('../README.md', import.meta.url);
writeFileSync(readme, withCasesTable(readFileSync(readme, 'utf8')));
