import type { SASLOptions } from 'kafkajs';
import { KafkaFailure } from '../failure.ts';

export type BearerOptions = Extract<SASLOptions, { mechanism: 'oauthbearer' }>;

export interface Token {
  readonly value: string;
  /** The types of kafkajs leave them out. */
  readonly extensions?: Readonly<Record<string, string>>;
}

/** The separator of the fields of a login (RFC 7628). */
const separator = '\u0001';

/** @throws {@link KafkaFailure} if the provider returns no token. */
export async function tokenOf(provider: BearerOptions['oauthBearerProvider']): Promise<Token> {
  const token = (await provider()) as Token | undefined;
  if (typeof token?.value === 'string') return token;
  throw refused('oauthBearerProvider returned no object with a token in `value`');
}

/** The message with which a client logs in. */
export function loginWith({ value, extensions = {} }: Token): string {
  const fields = Object.entries(extensions).map(([name, text]) => `${name}=${text}${separator}`);
  return `n,,${separator}auth=Bearer ${value}${separator}${fields.join('')}${separator}`;
}

/** Why the broker refuses the token. An accepted token has an empty answer. */
export function refusalOf(answer: Buffer): KafkaFailure | undefined {
  const text = answer.toString().replaceAll(separator, '');
  return text === '' ? undefined : refused(`the broker refused the token${statusOf(text)}`);
}

/** The other fields of the reason say nothing more to users, and may say something about the token. */
function statusOf(text: string): string {
  const status = /"status"\s*:\s*"(\w{1,40})"/.exec(text)?.[1];
  return status === undefined ? '' : ` (${status})`;
}

function refused(why: string): KafkaFailure {
  return new KafkaFailure('refused', `SASL OAUTHBEARER: ${why}`, undefined);
}
