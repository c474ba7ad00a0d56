import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { GenericSchema } from 'valibot';
import { root } from '../test/docs/blocks.ts';
import { type Descriptions, descriptionsIn } from './descriptions.ts';

/** The configuration of an engine type. */
export interface EngineSchema {
  readonly type: string;
  readonly schema: GenericSchema;
  /** The descriptions of its fields. */
  readonly descriptions: Descriptions;
}

/** The engine types whose packages export `configSchemas`, by the names of the packages. */
export async function engineSchemas(): Promise<EngineSchema[]> {
  const shared = descriptionsIn(readFileSync(deliveryOptions, 'utf8'), /DeliveryOptions/);
  const packages = readdirSync(join(root, 'packages')).filter((name) => name.startsWith('engine-'));
  const found: EngineSchema[] = [];
  for (const name of packages.sort()) {
    const module = (await import(`@polybus/${name}`)) as { configSchemas?: Record<string, GenericSchema> };
    const options = optionsOf(name);
    const ofPackage = { ...shared, ...descriptionsIn(options, /\w+Config/) };
    for (const [type, schema] of Object.entries(module.configSchemas ?? {})) {
      // The types of a package share options, but not always the defaults.
      const ofType = descriptionsIn(options, new RegExp(`${type.replace('-', '')}Config`, 'i'));
      const descriptions = { ...ofPackage, ...ofStore(options), ...ofType };
      found.push({ type, schema, descriptions });
    }
  }
  return found;
}

/** The fields of a checkpoint store that the configuration describes. */
function ofStore(options: string): Descriptions {
  const fields = Object.entries(descriptionsIn(options, /\w+StoreConfig/));
  return Object.fromEntries(fields.map(([field, text]) => [`checkpointStore.${field}`, text]));
}

/** The options of every engine, which the configurations of engines extend. */
const deliveryOptions = join(root, 'packages/core/src/config/delivery-options.ts');

function optionsOf(name: string): string {
  const folder = join(root, 'packages', name, 'src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
}

/** Types that are another type with a fixed option, and what their configuration is, for the reference. */
export const aliases: ReadonlyMap<string, string> = new Map([
  ['redis-streams', 'The fields of type `redis` without `mode`, which is `streams`.'],
]);
