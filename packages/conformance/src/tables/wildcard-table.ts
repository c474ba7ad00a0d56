/** One row of the wildcard table. {@link place} puts its names under a unique prefix. */
export interface WildcardRow {
  readonly pattern: string;
  /** Topics that the pattern matches. */
  readonly matches: readonly string[];
  /** Topics that the pattern does not match. */
  readonly passes: readonly string[];
}

/** Which topics a pattern matches. Both core's matcher and every engine are tested against this table. */
export const wildcardTable: readonly WildcardRow[] = [
  {
    pattern: 'user.created',
    matches: ['user.created'],
    passes: ['user', 'user.created.late', 'user.createdlate', 'user.Created', 'user.create'],
  },
  {
    pattern: 'user.*',
    matches: ['user.created', 'user.profile.updated', 'user.a-b_c', 'user._hidden'],
    passes: ['user', 'users', 'users.created', 'admin.user.created', 'USER.created', '_user.created'],
  },
  {
    pattern: 'user.pro*',
    matches: ['user.profile', 'user.profile.updated', 'user.pro', 'user.pro-1'],
    passes: ['user.created', 'user.p', 'user'],
  },
  {
    pattern: 'user*',
    matches: ['user', 'user.created', 'users.created', 'user-x.y'],
    passes: ['admin', '_user'],
  },
  {
    pattern: '*',
    matches: ['user', 'user.created', 'a.b.c.d.e.f'],
    passes: ['_dead.user', '_user', '_x.y.z'],
  },
  {
    pattern: '_user.*',
    matches: ['_user.created', '_user.a.b'],
    passes: ['user.created', '_users.created'],
  },
  { pattern: '_user.created', matches: ['_user.created'], passes: ['user.created', '_user'] },
];

/** Puts a topic or pattern under a prefix. A topic of the bus itself keeps its leading underscore. */
export function place(topicOrPattern: string, prefix: string): string {
  if (topicOrPattern === '*') return '*';
  return topicOrPattern.startsWith('_')
    ? `_${prefix}.${topicOrPattern.slice(1)}`
    : `${prefix}.${topicOrPattern}`;
}

/** Values that are neither a topic nor a pattern. */
export const invalidTopics: readonly unknown[] = [
  '',
  '.',
  '.user',
  'user.',
  'user..created',
  'user created',
  ' user',
  'user\n',
  'user.créé',
  'user/created',
  'user:created',
  'user.ünïcode',
  'user.\u{1F600}',
  'a'.repeat(250),
  undefined,
  null,
  42,
  {},
  ['user.created'],
];

/** Texts with a wildcard that are not a pattern. */
export const invalidPatterns: readonly string[] = [
  '**',
  '*.created',
  'user.*.created',
  'user.**',
  '.*',
  'user..*',
  'user.*.',
  'user.>',
  'user.#',
  'us er.*',
  `${'a'.repeat(249)}*`,
];
