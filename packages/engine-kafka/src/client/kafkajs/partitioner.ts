import kafkajs from 'kafkajs';
import type { ICustomPartitioner } from 'kafkajs';
import type { Keyless } from '../../options/config.ts';

/** Partitions by key as Kafka's Java client does: murmur2 of the key's bytes. */
export function partitionerFor(keyless: Keyless): ICustomPartitioner {
  return () => {
    const byKey = kafkajs.Partitioners.DefaultPartitioner();
    return (args) => {
      const { key } = args.message;
      const isKeyless = key === null || key === undefined;
      // The topic serves as the key, so that the events of different topics go to different brokers.
      if (isKeyless && keyless === 'ordered')
        return byKey({ ...args, message: { ...args.message, key: args.topic } });
      return byKey(args);
    };
  };
}
