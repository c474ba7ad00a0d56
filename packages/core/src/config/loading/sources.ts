/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Returns what set a field of the configuration, for messages. */
export type SourceOf = (field: string) => string | undefined;

export const noSource: SourceOf = () => undefined;

const sources = new WeakMap<object, SourceOf>();

/** Stores what set the fields of a configuration object. */
export function rememberSources<T extends object>(config: T, sourceOf: SourceOf): T {
  sources.set(config, sourceOf);
  return config;
}

/** Returns the sources that `rememberSources` stored for a configuration object. */
export function sourcesOf(config: object): SourceOf {
  return sources.get(config) ?? noSource;
}
