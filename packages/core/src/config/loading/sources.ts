/** Names what set a field of the configuration, for messages. */
export type SourceOf = (field: string) => string | undefined;

export const noSource: SourceOf = () => undefined;

const sources = new WeakMap<object, SourceOf>();

/** Remembers what set the fields of a configuration, for whoever is given that very object. */
export function rememberSources<T extends object>(config: T, sourceOf: SourceOf): T {
  sources.set(config, sourceOf);
  return config;
}

/** What `rememberSources` was told. */
export function sourcesOf(config: object): SourceOf {
  return sources.get(config) ?? noSource;
}
