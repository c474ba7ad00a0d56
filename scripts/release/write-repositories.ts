// Writes the field `repository` of each published package directly before publishing: `npm run release:publish` calls it.
import { root } from '../packages/published.ts';
import { addressFrom, writeRepositories } from './repository.ts';

writeRepositories(root, addressFrom(process.env));
