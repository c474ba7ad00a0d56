import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startBroker } from '../broker.ts';
import { run } from '../machine/executables.ts';
import { findJava, KAFKA_VERSION, kafkaJars } from './fetch.ts';
import { kafkaConfig, type KafkaListener, type PlacedListener, type StartKafkaOptions } from './options.ts';
import { probeKafka } from './probe.ts';
import { freePort } from '../machine/ports.ts';
import { ProcessMachine } from '../machine/process-machine.ts';
import { makeTempFolder } from '../machine/temp-folder.ts';
import type { KafkaBroker } from '../types.ts';

const HOST = '127.0.0.1';
/** The id of the cluster: any 16 bytes. */
const CLUSTER_ID = 'cG9seWJ1cy10ZXN0YmVkMQ';
const FORMAT_MS = 60_000;
/** How long Kafka may take to shut down, in milliseconds. It moves leadership and writes checkpoints, usually in one or two seconds. */
const GRACE_MS = 30_000;

/** A small heap and a quick start: a broker under test has little data. */
const BROKER_JVM = ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC', '-Djava.awt.headless=true'];
/** For programs that exit before the second compiler is worth its cost. */
const TOOL_JVM = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.awt.headless=true'];

/** A file of Java properties. */
function properties(entries: Readonly<Record<string, string>>): string {
  const escape = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return Object.entries(entries)
    .map(([key, value]) => `${key}=${escape(value)}\n`)
    .join('');
}

/**
 * The command line of one of Kafka's own tools by class name, such as `org.apache.kafka.tools.ConsoleProducer`, for tests with other
 * clients. Add the arguments and run it.
 *
 * @throws ProviderUnavailableError if this machine has no Java, or the jars are not in the cache and cannot be downloaded
 */
export async function kafkaTool(className: string): Promise<{ command: string; args: readonly string[] }> {
  const [command, jars] = await Promise.all([findJava(), kafkaJars()]);
  return { command, args: [...TOOL_JVM, '-cp', join(jars, '*'), className] };
}

async function place(options: StartKafkaOptions): Promise<readonly PlacedListener[]> {
  const wanted: KafkaListener[] = [
    { name: 'PLAINTEXT', protocol: 'PLAINTEXT' },
    ...(options.listeners ?? []),
  ];
  const placed: PlacedListener[] = [];
  for (const listener of wanted) {
    const port = await freePort();
    const address = `${HOST}:${String(port)}`;
    placed.push({ advertised: address, ...listener, bind: HOST, address, port });
  }
  return placed;
}

/** Starts Apache Kafka from its Maven artefacts as a process of this machine, one node in KRaft mode. */
export async function startLocalKafka(options: StartKafkaOptions, since: number): Promise<KafkaBroker> {
  const [java, jars] = await Promise.all([findJava(), kafkaJars()]);
  const listeners = await place(options);
  const controllerPort = await freePort();
  const folder = await makeTempFolder('kafka');
  const configFile = join(folder.path, 'server.properties');
  const config = kafkaConfig(listeners, controllerPort, options);
  try {
    await writeFile(configFile, properties({ 'log.dirs': join(folder.path, 'data'), ...config }));
    const users = (options.scramUsers ?? []).flatMap(({ mechanism, name, password }) => [
      '--add-scram',
      `${mechanism}=[name=${name},password=${password}]`,
    ]);
    const format = ['kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', configFile, ...users];
    await run(java, [...TOOL_JVM, '-cp', join(jars, '*'), ...format], {
      timeoutMs: FORMAT_MS,
      cwd: folder.path,
    });
  } catch (error) {
    await folder.remove();
    throw error;
  }
  const machine = new ProcessMachine({
    folder,
    ports: [...listeners.map(({ port }) => port), controllerPort],
    graceMs: GRACE_MS,
    spec: {
      command: java,
      args: [...BROKER_JVM, '-cp', join(jars, '*'), 'kafka.Kafka', configFile],
      cwd: folder.path,
      logFile: join(folder.path, 'kafka.log'),
    },
  });
  const [plain, ...others] = listeners.map(({ name, address }) => [name, address] as const);
  const brokers = plain === undefined ? [] : [plain[1]];
  return startBroker({
    name: 'kafka',
    provider: 'local',
    machine,
    connection: { brokers, listeners: Object.fromEntries(others) },
    keepsData: true,
    timeoutMs: options.timeoutMs,
    probe: async () => {
      await probeKafka(brokers, 'ours');
      return KAFKA_VERSION;
    },
    since,
  });
}
