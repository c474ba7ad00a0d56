/** Writes the generated files: the JSON Schema of the configuration, and the generated sections of the documentation. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../test/docs/blocks.ts';
import { generatedFiles } from './files.ts';

for (const [path, text] of Object.entries(await generatedFiles())) {
  writeFileSync(join(root, path), text);
  console.log(path);
}
