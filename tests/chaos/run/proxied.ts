import type { BrokerControls, BrokerInfo } from '@polybus/testbed';
import type { ChaosBroker } from './broker.ts';
import type { Proxy } from './proxy.ts';

/** What all brokers have in common: the controls of the testbed and of the proxy. What only some have rejects. */
export function proxied(
  broker: BrokerControls & BrokerInfo,
  proxy: Proxy,
  address: string,
  own: Partial<ChaosBroker> = {},
): ChaosBroker {
  const missing = (): Promise<never> => Promise.reject(new Error(`${broker.name} does not have this fault`));
  return {
    version: broker.version.startsWith(broker.name) ? broker.version : `${broker.name} ${broker.version}`,
    address,
    restart: broker.restart,
    kill: broker.kill,
    pause: broker.pause,
    resume: broker.resume,
    reset: () => proxy.reset(),
    stallConnections: (isStalled) => (isStalled ? proxy.stall() : proxy.resume()),
    refuseConnections(isRefusing) {
      proxy.isRefusing = isRefusing;
      if (isRefusing) proxy.reset();
    },
    setFull: missing,
    addPartitions: missing,
    reshard: missing,
    clean: () => Promise.resolve(),
    async stop() {
      proxy.close();
      await broker.stop();
    },
    ...own,
  };
}
