import kafkajs from 'kafkajs';
import type { Mechanism, SASLOptions } from 'kafkajs';
import { KafkaFailure } from '../../failure.ts';
import { type BearerOptions, loginWith, refusalOf, tokenOf } from '../../protocol/bearer-token.ts';

/** How a connection of kafkajs logs in. */
export type Login = SASLOptions | Mechanism;

/** The size of the length field before an answer. */
const lengthBytes = 4;

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
        const token = await tokenOf(oauthBearerProvider).catch((error: unknown) => {
          throw loginError(error);
        });
        await saslAuthenticate({
          request: { encode: () => withLength(loginWith(token)) },
          response: { decode: (answer) => Promise.resolve(answer), parse: failIfRefused },
        });
      },
    }),
  };
}

function withLength(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(lengthBytes);
  length.writeInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function failIfRefused(answer: Buffer): void {
  const refusal = refusalOf(answer.subarray(lengthBytes));
  if (refusal !== undefined) throw loginError(refusal);
}

/** The types of kafkajs leave out the message. */
const LoginError = kafkajs.KafkaJSSASLAuthenticationError as unknown as new (message: string) => Error;

/** kafkajs tries again after other errors. */
function loginError(error: unknown): unknown {
  return error instanceof KafkaFailure ? new LoginError(error.message) : error;
}
