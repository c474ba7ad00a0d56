// Says in each published package where it comes from, right before it is published: `npm run release:publish` calls it.
import { root } from '../packages/published.ts';
import { addressFrom, writeRepositories } from './repository.ts';

writeRepositories(root, addressFrom(process.env));
