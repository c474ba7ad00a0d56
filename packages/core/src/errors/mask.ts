/** Names of parameters whose values are secrets, inside of other names too: `sas_token`, `X-Amz-Signature`. */
const secretParameter = '[\\w.-]*(?:pass|pwd|secret|token|key|auth|sig|cred)[\\w.-]*=';
const inText = new RegExp(`([?&#;]${secretParameter})[^&#;\\s"]*`, 'gi');
const inValue = new RegExp(`([?&#;]${secretParameter})[^&#;]*`, 'gi');

/** Text without what URLs in it give away: user and password, with whatever characters but spaces and quotes, and secrets in a query. */
export function maskUrl(text: string): string {
  return text
    .replace(/(\/\/)[^\s"]*@/g, '$1[hidden]@')
    .replace(/(^|[\s"(])[^\s":/]*:(?!\/\/)[^\s"]*@/g, '$1[hidden]@')
    .replace(inText, '$1[hidden]');
}

/**
 * A value that stands where somebody may have put a URL, without what that gives away. Nothing before the last "@" is trusted
 * but a scheme: a password may have spaces, quotes and slashes in it.
 */
export function maskValue(value: string): string {
  const at = value.lastIndexOf('@');
  if (at === -1) return value.replace(inValue, '$1[hidden]');
  const scheme = /^(?:[a-z][a-z0-9+.-]*:)?\/\//i.exec(value)?.[0] ?? '';
  return `${scheme}[hidden]${value.slice(at).replace(inValue, '$1[hidden]')}`;
}
