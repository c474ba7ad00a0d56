/** An option, or another field or method, as its interface declares it. */
export interface Member {
  readonly name: string;
  /** The text of its type; of a method, the text from its parameters on. */
  readonly type: string;
  readonly isOptional: boolean;
  /** Its doc comment in one line, without `@throws`. */
  readonly meaning: string;
  /** The texts behind `@throws`. */
  readonly errors: readonly string[];
}

const comment = String.raw`(?:\/\*\*((?:[^*]|\*(?!\/))*)\*\/\s*)?`;
// Prettier indents the members by two spaces, and what is inside of them by more.
const memberPattern = new RegExp(
  String.raw`^  ${comment}(?:readonly )?(\w+)(\?)?(?:: |(?=[<(]))((?:.|\n(?!  \S)|\n(?=  [)>}\]]))*?);$`,
  'gm',
);

/** Declarations of interfaces and types in a source text that prettier has formatted. */
export class Declarations {
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  /** Returns the text that follows the name of an interface or type, up to its end; undefined if there is none of this name. */
  textOf(name: string): string | undefined {
    const found = new RegExp(
      String.raw`^export (?:interface ${name}\b([^{]*(?:\{\}|\{$.*?^\}))$|type ${name}\b(.*?;)$)`,
      'ms',
    ).exec(this.#source);
    return found?.[1] ?? found?.[2];
  }

  /** Returns the members of an interface, and those of the interfaces that it extends. */
  membersOf(name: string): readonly Member[] {
    const text = this.textOf(name);
    if (text === undefined) throw new Error(`there is no interface ${name}`);
    const own = [...text.matchAll(memberPattern)].map(([, doc = '', member = '', mark, type = '']) => ({
      name: member,
      type,
      isOptional: mark !== undefined,
      ...partsOf(doc),
    }));
    const inherited = this.#inherited(text).filter((one) =>
      own.every(({ name: other }) => other !== one.name),
    );
    return [...inherited, ...own];
  }

  #inherited(text: string): readonly Member[] {
    const extended = /^(?:<[^{]*?>)? extends ([^{]*)\{/.exec(text)?.[1] ?? '';
    return [...extended.matchAll(/Omit<(\w+)[^,]*, ([^>]*)>|(\w+Options)/g)].flatMap(
      ([, omitting, omitted = '', whole]) =>
        this.membersOf(omitting ?? whole!).filter((one) => !omitted.includes(`'${one.name}'`)),
    );
  }
}

function partsOf(doc: string): Pick<Member, 'meaning' | 'errors'> {
  const [meaning = '', ...tags] = doc
    .replace(/\s*\n\s*\*\s*/g, ' ')
    .replace(/\{@link (\w+)\}/g, '`$1`')
    .split(/ ?@(?=\w)/);
  const errors = tags.filter((tag) => tag.startsWith('throws ')).map((tag) => tag.slice('throws '.length));
  return { meaning: meaning.trim(), errors: errors.map((error) => error.trim()) };
}
