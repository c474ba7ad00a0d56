import type { KafkaClient } from '../client/kafka-client.ts';
import type { Cursor } from './cursor.ts';

/** Moves cursors whose offset does not exist: retention has removed it, or the topic was deleted and created again. */
export async function resetOffset(
  client: KafkaClient,
  cursors: Iterable<Cursor>,
  { topic, partition }: { readonly topic: string; readonly partition: number },
): Promise<void> {
  const asked = new Map([[topic, [partition]]]);
  const [[first], [end]] = await Promise.all([
    client.offsets(asked, 'earliest'),
    client.offsets(asked, 'latest'),
  ]);
  if (first === undefined || end === undefined) return;
  for (const cursor of cursors) {
    if (cursor.position < first.offset) cursor.move(first.offset, true);
    else if (cursor.position > end.offset) cursor.move(first.offset, false);
  }
}
