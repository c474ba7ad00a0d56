import type { EngineUnderTest } from '@polybus/conformance';
import { kinesisEngine } from '../src/index.ts';
import { FileCheckpointStore } from '../src/stores/file-store.ts';
import { quick } from './quick.ts';
import { storesById } from './stores/by-id.ts';

/** Where the broker is, and the folder of the positions; without a folder, they are in the memory of the process. */
interface SuiteConfig {
  readonly address: {
    readonly endpoint: string;
    readonly region: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
  };
  readonly folder?: string;
}

/** The engine of the conformance suite. The suite also loads this file in child processes. */
export const engineUnderTest: EngineUnderTest<SuiteConfig> = ({
  id,
  stallLimitMs,
  leaseMs,
  config: { address, folder },
}) =>
  kinesisEngine({
    ...address,
    ...quick,
    streamName: id,
    foreignTopic: `${id}.events`,
    stallLimitMs,
    leaseDurationMs: leaseMs,
    checkpointStore: folder === undefined ? storesById(id) : new FileCheckpointStore(folder),
  });
