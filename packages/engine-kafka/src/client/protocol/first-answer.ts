import { settlesWithin } from '@polybus/core/engine-kit';
import type { Broker, Connections } from './broker.ts';
import { toFailure } from './to-failure.ts';

/** How long a broker may take for an answer before others are asked too, in milliseconds. */
export const lateMs = 1000;

/** Asks any broker. If it does not answer soon, the first answer of another broker counts, too. */
export function askAny<T>(
  connections: Connections,
  ask: (broker: Broker) => Promise<T>,
  preferred = -1,
): Promise<T> {
  return firstAnswerOf(connections.ids(), async (id) => ask(await connections.broker(id)), preferred);
}

/** @param preferred - The id of the broker to ask first. By default any. */
export function firstAnswerOf<T>(
  ids: readonly number[],
  ask: (id: number) => Promise<T>,
  preferred = -1,
): Promise<T> {
  const first = preferred < 0 ? (ids[Math.floor(Math.random() * ids.length)] ?? -1) : preferred;
  return firstAnswer(ask(first), lateMs, () => ids.filter((id) => id !== first).map(ask));
}

/** A broker that does not answer, although it is connected, does not hold up what others can answer. */
export async function firstAnswer<T>(
  asked: Promise<T>,
  waitMs: number,
  askOthers: () => readonly Promise<T>[],
): Promise<T> {
  if (await settlesWithin(asked, waitMs)) return asked;
  const { value } = await Promise.any([asked, ...askOthers()].map(conclusive));
  return value;
}

/** A failure that another attempt meets, too, is an answer: nobody waits for another broker after it. */
export async function conclusive<T>(asked: Promise<T>): Promise<{ readonly value: Promise<T> }> {
  await asked.catch((error: unknown) => {
    if (toFailure(error).kind === 'passing') throw error;
  });
  return { value: asked };
}
