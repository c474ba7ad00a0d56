/** Why no package was written; its message is for the one who asked for it. */
export class ScaffoldError extends Error {
  override readonly name = 'ScaffoldError';
}
