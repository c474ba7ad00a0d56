/** Runs an engine under steady load for a while, and ends with 1 if anything was lost or grew. */
import { currentCommit } from '../chaos/record.ts';
import { startTarget } from './engines.ts';
import { type SoakOptions, readOptions, usage } from './options.ts';
import { recordSoak } from './record.ts';
import { runSoak } from './run-soak.ts';

async function main({ engine, minutes, rate, isRecording }: SoakOptions): Promise<void> {
  const [commit, date] = [currentCommit(), new Date().toISOString()];
  console.log(`${engine}: ${rate} events per second for ${minutes} minutes`);
  const target = await startTarget(engine);
  try {
    const result = await runSoak(target, { minutes, rate, show: (line) => console.log(`  ${line}`) });
    const { published, retried, deadLettered, repeated, halves, problems } = result;
    console.log(
      `  published ${published}, retried ${retried}, dead letters ${deadLettered}, repeated ${repeated}`,
    );
    console.log(`  first and second half: ${JSON.stringify(halves)}`);
    for (const problem of problems) console.error(`  FAILED: ${problem}`);
    const broker = target.broker === undefined ? {} : { broker: target.broker };
    if (isRecording)
      recordSoak({ engine, commit, date, node: process.version, ...broker, minutes, rate, ...result });
    process.exitCode = problems.length === 0 ? 0 : 1;
  } finally {
    await target.stop();
  }
}

function optionsOrUsage(): SoakOptions | undefined {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    return undefined;
  }
}

const options = optionsOrUsage();
process.exitCode = 2;
if (options !== undefined) await main(options);
