/** The descriptions of the fields of an interface. */
export type Descriptions = Readonly<Record<string, string>>;

/** Reads the doc comments of the fields of matching interfaces from a source text. */
export function descriptionsIn(source: string, name: RegExp): Descriptions {
  const found: Record<string, string> = {};
  for (const [, body = ''] of source.matchAll(interfaces(name))) {
    for (const [, comment = '', field = ''] of body.matchAll(
      /\/\*\*((?:[^*]|\*(?!\/))*)\*\/\s*readonly (\w+)\??:/g,
    ))
      found[field] = comment.replace(/\s*\n\s*\*\s?/g, ' ').trim();
  }
  return found;
}

function interfaces(name: RegExp): RegExp {
  return new RegExp(
    String.raw`^export interface (?:${name.source})(?: extends [^{]*)? \{$(.*?)^\}$`,
    `gms${name.flags}`,
  );
}
