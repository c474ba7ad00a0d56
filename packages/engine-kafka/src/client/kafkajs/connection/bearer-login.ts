import kafkajs from 'kafkajs';
import type { Mechanism, SASLOptions } from 'kafkajs';

/** How a connection of kafkajs logs in. */
export type Login = SASLOptions | Mechanism;

type BearerOptions = Extract<SASLOptions, { mechanism: 'oauthbearer' }>;

interface Token {
  readonly value: string;
  /** The types of kafkajs leave them out. */
  readonly extensions?: Readonly<Record<string, string>>;
}

/** The size of the length field before an answer. */
const lengthBytes = 4;
/** The separator of the fields of a login (RFC 7628). */
const separator = '\u0001';

/**
 * Replaces the login with a token. A broker answers a token that it refuses with a reason instead of an error. kafkajs does not read
 * the answer, takes the login for successful, and misreads the next answers.
 */
export function withBearerLogin<T extends Login | null | undefined>(login: T): T | Mechanism {
  return isBearer(login) ? bearerLogin(login) : login;
}

function isBearer(login: Login | null | undefined): login is BearerOptions {
  return login?.mechanism.toLowerCase() === 'oauthbearer' && 'oauthBearerProvider' in login;
}

function bearerLogin({ mechanism, oauthBearerProvider }: BearerOptions): Mechanism {
  return {
    mechanism,
    authenticationProvider: ({ saslAuthenticate }) => ({
      authenticate: async () => {
        const token = await tokenOf(oauthBearerProvider);
        await saslAuthenticate({
          request: { encode: () => withLength(loginWith(token)) },
          response: { decode: (answer) => Promise.resolve(answer), parse: failIfRefused },
        });
      },
    }),
  };
}

async function tokenOf(provider: () => Promise<Token>): Promise<Token> {
  const token = (await provider()) as Token | undefined;
  if (typeof token?.value === 'string') return token;
  throw refused('oauthBearerProvider returned no object with a token in `value`');
}

function loginWith({ value, extensions = {} }: Token): string {
  const fields = Object.entries(extensions).map(([name, text]) => `${name}=${text}${separator}`);
  return `n,,${separator}auth=Bearer ${value}${separator}${fields.join('')}${separator}`;
}

function withLength(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(lengthBytes);
  length.writeInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** An accepted token has an empty answer. */
function failIfRefused(answer: Buffer): void {
  const text = answer.subarray(lengthBytes).toString().replaceAll(separator, '');
  if (text !== '') throw refused(`the broker refused the token${statusOf(text)}`);
}

/** The other fields of the reason say nothing more to users, and may say something about the token. */
function statusOf(text: string): string {
  const status = /"status"\s*:\s*"(\w{1,40})"/.exec(text)?.[1];
  return status === undefined ? '' : ` (${status})`;
}

/** The types of kafkajs leave out the message. */
const LoginError = kafkajs.KafkaJSSASLAuthenticationError as unknown as new (message: string) => Error;

function refused(why: string): Error {
  return new LoginError(`SASL OAUTHBEARER: ${why}`);
}
