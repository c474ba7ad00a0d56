/** Names of parameters whose values are secrets, also within longer names such as `sas_token` or `X-Amz-Signature`. */
const secretName = /pass|pwd|secret|token|key|auth|sig|cred/i;
const endInText = /[&#;\s"]/g;
const endInValue = /[&#;]/g;

/** Masks the secrets of URLs in a text: user and password, unless they contain spaces or quotes, and secret query parameters. */
export function maskUrl(text: string): string {
  return maskParameters(text.replace(/[^\s"]+/g, maskUser), endInText);
}

/**
 * Masks the secrets of a value that may be a URL. Everything before the last "@" is masked except the scheme, because a password may
 * contain spaces, quotes and slashes.
 */
export function maskValue(value: string): string {
  const at = value.lastIndexOf('@');
  if (at === -1) return maskParameters(value, endInValue);
  const scheme = /^(?:[a-z][a-z0-9+.-]*:)?\/\//i.exec(value)?.[0] ?? '';
  return `${scheme}[hidden]${maskParameters(value.slice(at), endInValue)}`;
}

/** Masks user and password in a word: `scheme://user:password@host`, or `user:password@host`. */
function maskUser(word: string): string {
  const at = word.lastIndexOf('@');
  const slashes = word.indexOf('//');
  if (slashes !== -1 && slashes < at) return `${word.slice(0, slashes + 2)}[hidden]${word.slice(at)}`;
  const colon = word.indexOf(':');
  if (colon === -1 || colon > at) return word;
  return `${word.slice(0, word.lastIndexOf('(', colon) + 1)}[hidden]${word.slice(at)}`;
}

function maskParameters(text: string, endOfValue: RegExp): string {
  // An expression of its own for each call, because it keeps its position.
  const parameter = /[?&#;][\w.-]*=/g;
  let masked = '';
  let from = 0;
  for (let found = parameter.exec(text); found !== null; found = parameter.exec(text)) {
    if (!secretName.test(found[0])) continue;
    endOfValue.lastIndex = parameter.lastIndex;
    const end = endOfValue.exec(text)?.index ?? text.length;
    masked += `${text.slice(from, parameter.lastIndex)}[hidden]`;
    from = end;
    parameter.lastIndex = end;
  }
  return masked + text.slice(from);
}
