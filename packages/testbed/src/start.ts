import { startKafka } from './kafka/kafka.ts';
import { startKinesis } from './kinesis/kinesis.ts';
import { startRedis } from './redis/redis.ts';
import type { Broker, BrokerName, StartOptions } from './types.ts';

const STARTERS: { readonly [N in BrokerName]: (options: StartOptions) => Promise<Broker<N>> } = {
  redis: startRedis,
  kafka: startKafka,
  kinesis: startKinesis,
};

/** Starts a broker by its name, with the options of every broker. It throws the errors of `startRedis`, `startKafka` and `startKinesis`. */
export function startByName<N extends BrokerName>(name: N, options: StartOptions = {}): Promise<Broker<N>> {
  return STARTERS[name](options);
}
