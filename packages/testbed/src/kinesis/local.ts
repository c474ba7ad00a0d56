import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { startBroker } from '../broker.ts';
import { ProviderUnavailableError } from '../errors.ts';
import type { StartKinesisOptions } from './options.ts';
import { kinesisConnection, probeKinesis } from './probe.ts';
import { freePort } from '../machine/ports.ts';
import { ProcessMachine } from '../machine/process-machine.ts';
import { makeTempFolder } from '../machine/temp-folder.ts';
import type { KinesisBroker } from '../types.ts';

/** How long it may take to shut down, in milliseconds. It writes all data as one JSON document, which takes time on a busy machine. */
const GRACE_MS = 60_000;
/** A day: longer than any test. `assets/kinesis-preload.mjs` identifies the timer by this duration. */
const NEVER_MS = 86_400_000;
const preload = new URL('../../assets/kinesis-preload.mjs', import.meta.url);

/** Short durations for the delays that kinesis-local simulates: tests wait for a state, and not for a time. */
const QUICK = {
  CREATE_STREAM_DURATION: '50ms',
  DELETE_STREAM_DURATION: '50ms',
  SPLIT_SHARD_DURATION: '50ms',
  MERGE_SHARDS_DURATION: '50ms',
  UPDATE_SHARD_COUNT_DURATION: '50ms',
  REGISTER_STREAM_CONSUMER_DURATION: '50ms',
  DEREGISTER_STREAM_CONSUMER_DURATION: '50ms',
  START_STREAM_ENCRYPTION_DURATION: '50ms',
  STOP_STREAM_ENCRYPTION_DURATION: '50ms',
};

interface Installed {
  readonly main: string;
  readonly certificate: string;
  readonly version: string;
}

function findKinesisLocal(): Installed {
  try {
    const manifest = createRequire(import.meta.url).resolve('kinesis-local/package.json');
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    const folder = dirname(manifest);
    return { main: join(folder, 'main.js'), certificate: join(folder, 'server.json'), version };
  } catch (error) {
    throw new ProviderUnavailableError('the npm package kinesis-local is not installed; run npm ci', {
      cause: error,
    });
  }
}

/** Starts kinesis-local, the engine inside LocalStack, as a process of this machine. */
export async function startLocalKinesis(options: StartKinesisOptions, since: number): Promise<KinesisBroker> {
  const installed = findKinesisLocal();
  const [plainPort, tlsPort] = [await freePort(), await freePort()];
  const folder = await makeTempFolder('kinesis');
  const data = join(folder.path, 'data');
  const machine = new ProcessMachine({
    folder,
    ports: [plainPort, tlsPort],
    graceMs: GRACE_MS,
    // The file of its last orderly shutdown lacks later writes that clients saw confirmed, so a killed one starts empty.
    afterKill: () => rm(data, { recursive: true, force: true }),
    spec: {
      endSignal: 'SIGUSR2',
      command: process.execPath,
      args: ['--import', preload.href, installed.main],
      cwd: folder.path,
      logFile: join(folder.path, 'kinesis.log'),
      env: {
        ...QUICK,
        LOG_LEVEL: 'WARN',
        SHARD_LIMIT: '500',
        ...options.env,
        KINESIS_MOCK_PLAIN_PORT: String(plainPort),
        KINESIS_MOCK_TLS_PORT: String(tlsPort),
        KINESIS_MOCK_CERT_PATH: installed.certificate,
        SHOULD_PERSIST_DATA: 'true',
        PERSIST_PATH: data,
        PERSIST_FILE_NAME: 'data.json',
        // It writes its data at shutdown. Periodic writes of all the data would only slow it down.
        PERSIST_INTERVAL: `${String(NEVER_MS)}ms`,
        // The Node options of the test process do not apply to the emulator.
        NODE_OPTIONS: '',
      },
    },
  });
  const connection = kinesisConnection(`http://127.0.0.1:${String(plainPort)}`);
  return startBroker({
    name: 'kinesis',
    provider: 'local',
    machine,
    connection,
    keepsData: true,
    timeoutMs: options.timeoutMs,
    probe: async () => {
      await probeKinesis(connection);
      return `kinesis-local ${installed.version}`;
    },
    since,
  });
}
