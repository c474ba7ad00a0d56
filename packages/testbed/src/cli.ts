import { ADDRESS_VARIABLES } from './environment.ts';
import { startByName } from './start.ts';
import { formatTable } from './vitest/table.ts';
import { BROKER_NAMES, type Broker, type BrokerName } from './types.ts';

/** Returns the value of the environment variable with which others can use the broker. */
function addressOf(broker: Broker): string {
  if ('url' in broker) return broker.url;
  return 'brokers' in broker ? broker.brokers.join(',') : broker.endpoint;
}

function namesFrom(args: readonly string[]): readonly BrokerName[] {
  if (args.length === 0) return BROKER_NAMES;
  return args.map((arg) => {
    const name = BROKER_NAMES.find((known) => known === arg);
    if (name === undefined)
      throw new RangeError(`unknown broker "${arg}"; the brokers are ${BROKER_NAMES.join(', ')}`);
    return name;
  });
}

/** `npm run brokers [-- redis kafka kinesis]`: starts the brokers, prints their addresses, and ends them at Ctrl-C. */
async function main(): Promise<void> {
  const names = namesFrom(process.argv.slice(2));
  const interrupted = new Promise<void>((resolve) => {
    // These listeners stay, because a library that is the last listener ends the process before the brokers have ended.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => resolve());
  });
  // The brokers do not keep the process alive, so this timer does.
  const stay = setInterval(() => undefined, 60_000);
  const starting = names.map((name) => startByName(name));
  const settled = Promise.allSettled(starting);
  const stopAll = async (): Promise<void> => {
    const started = (await settled).flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    await Promise.all(started.map((broker) => broker.stop()));
  };
  try {
    const outcome = await Promise.race([settled, interrupted]);
    if (outcome !== undefined) {
      for (const start of outcome) {
        if (start.status === 'fulfilled') continue;
        process.exitCode = 1;
        console.error(start.reason instanceof Error ? start.reason.message : start.reason);
      }
      const running = outcome.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
      if (running.length > 0) {
        console.log(`${formatTable(running)}\n`);
        for (const broker of running)
          console.log(`export ${ADDRESS_VARIABLES[broker.name]}=${addressOf(broker)}`);
        console.log('\nThey run until Ctrl-C.');
        await interrupted;
      }
    }
  } finally {
    await stopAll();
    clearInterval(stay);
  }
}

await main();
