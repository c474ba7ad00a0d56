/** The reason why no package was written. The command prints its message. */
export class ScaffoldError extends Error {
  override readonly name = 'ScaffoldError';
}
