/** Matches names of parameters whose values are secrets, also within longer names such as `sas_token` or `X-Amz-Signature`. */
const secretParameter = '[\\w.-]*(?:pass|pwd|secret|token|key|auth|sig|cred)[\\w.-]*=';
const inText = new RegExp(`([?&#;]${secretParameter})[^&#;\\s"]*`, 'gi');
const inValue = new RegExp(`([?&#;]${secretParameter})[^&#;]*`, 'gi');

/** Masks the secrets of URLs in a text: user and password, unless they contain spaces or quotes, and secret query parameters. */
export function maskUrl(text: string): string {
  return text
    .replace(/(\/\/)[^\s"]*@/g, '$1[hidden]@')
    .replace(/(^|[\s"(])[^\s":/]*:(?!\/\/)[^\s"]*@/g, '$1[hidden]@')
    .replace(inText, '$1[hidden]');
}

/**
 * Masks the secrets of a value that may be a URL. Everything before the last "@" is masked except the scheme, because a password may
 * contain spaces, quotes and slashes.
 */
export function maskValue(value: string): string {
  const at = value.lastIndexOf('@');
  if (at === -1) return value.replace(inValue, '$1[hidden]');
  const scheme = /^(?:[a-z][a-z0-9+.-]*:)?\/\//i.exec(value)?.[0] ?? '';
  return `${scheme}[hidden]${value.slice(at).replace(inValue, '$1[hidden]')}`;
}
