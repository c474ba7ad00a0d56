import type { SASLOptions } from 'kafkajs';
import { loginWith, refusalOf, tokenOf } from '../protocol/bearer-token.ts';
import type { Package } from './package.ts';

type ConnectionOptions = NonNullable<ConstructorParameters<Package['Connection']>[1]>;
type Login = NonNullable<ConnectionOptions['sasl']>;
type Authenticate = NonNullable<Login['authenticate']>;

const mechanisms = {
  plain: 'PLAIN',
  'scram-sha-256': 'SCRAM-SHA-256',
  'scram-sha-512': 'SCRAM-SHA-512',
  oauthbearer: 'OAUTHBEARER',
} as const;

/** The login of a connection, with the options of kafkajs. */
export function loginOf(from: Package, sasl: SASLOptions): Login {
  const mechanism = mechanisms[sasl.mechanism as keyof typeof mechanisms];
  if (sasl.mechanism === 'oauthbearer') {
    const provider = sasl.oauthBearerProvider;
    return {
      mechanism,
      authenticate: guarded((_, connection, authenticate, _user, _password, _token, onLogin) => {
        tokenOf(provider).then(
          (token) => authenticate(connection, Buffer.from(loginWith(token)), onLogin),
          (error: Error) => onLogin(error),
        );
      }),
      // A broker answers a token that it refuses with a reason instead of an error.
      authBytesValidator: (answer, onValid) => {
        const refusal = refusalOf(answer);
        if (refusal === undefined) onValid(null, answer);
        else onValid(refusal);
      },
    };
  }
  const { username, password } = sasl as { username: string; password: string };
  const authenticate: Authenticate = (_, connection, send, _user, _password, _token, onLogin) => {
    if (mechanism === 'PLAIN') from.saslPlain.authenticate(send, connection, username, password, onLogin);
    else {
      const algorithm = mechanism === 'SCRAM-SHA-256' ? 'SHA-256' : 'SHA-512';
      const { authenticate: login, defaultCrypto } = from.saslScramSha;
      login(send, connection, algorithm, username, password, defaultCrypto, onLogin);
    }
  };
  return { mechanism, authenticate: guarded(authenticate) };
}

/** The package parses the answers of a login in an event of the socket: an invalid answer would end the process. */
function guarded(authenticate: Authenticate): Authenticate {
  return (mechanism, connection, send, user, password, token, onLogin) => {
    const sendGuarded = ((to: typeof connection, bytes: Buffer, onAnswer: typeof onLogin) => {
      send(to, bytes, (error, answer) => {
        try {
          onAnswer(error, answer);
        } catch (invalid) {
          onLogin(invalid as Error);
        }
      });
    }) as typeof send;
    authenticate(mechanism, connection, sendGuarded, user, password, token, onLogin);
  };
}
