import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { kafkaVariable } from '../src/kafka/options.ts';
import { freePort } from '../src/machine/ports.ts';
import { ProcessMachine } from '../src/machine/process-machine.ts';
import { formatTable } from '../src/vitest/table.ts';
import { makeTempFolder } from '../src/machine/temp-folder.ts';
import { waitFor } from '../src/wait.ts';

test('the table aligns its columns and shows missing brokers', () => {
  const table = formatTable([
    { name: 'redis', version: '8.2.1', provider: 'docker', startupMs: 1_234 },
    { name: 'kafka', missing: true },
  ]);
  expect(table.split('\n')).toEqual([
    ' broker  version  provider  start-up',
    ' redis   8.2.1    docker    1.2 s',
    ' kafka   -        MISSING   -',
  ]);
});

test("Kafka's settings become the environment variables of its image", () => {
  expect(kafkaVariable('auto.create.topics.enable')).toBe('KAFKA_AUTO_CREATE_TOPICS_ENABLE');
  expect(kafkaVariable('listener.name.my_own.scram-sha-256.sasl.jaas.config')).toBe(
    'KAFKA_LISTENER_NAME_MY__OWN_SCRAM___SHA___256_SASL_JAAS_CONFIG',
  );
});

test('free ports are free, returned once, and below the ports of outgoing connections', async () => {
  const ports = await Promise.all(Array.from({ length: 20 }, freePort));
  expect(new Set(ports).size).toBe(ports.length);
  expect(Math.max(...ports)).toBeLessThan(32_768);
  const server = createServer();
  onTestFinished(() => {
    server.close();
  });
  await new Promise<void>((resolve) => {
    server.listen(ports[0], '127.0.0.1', resolve);
  });
});

test.each([
  ['keeps its data when it is killed', false],
  ['loses its data when it is killed', true],
])('a process that does not end and %s: it is killed, and lost data is reported', async (_, losesData) => {
  const folder = await makeTempFolder('parts');
  const logFile = join(folder.path, 'log');
  let removals = 0;
  const machine = new ProcessMachine({
    folder,
    ports: [],
    graceMs: 100,
    ...(losesData ? { afterKill: () => Promise.resolve(void removals++) } : {}),
    spec: {
      command: process.execPath,
      args: ['-e', `process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1000)`],
      cwd: folder.path,
      logFile,
    },
  });
  onTestFinished(() => machine.dispose());
  await machine.start();
  await waitFor('it to run', async () => (await machine.log()).includes('ready'), { timeoutMs: 20_000 });
  const said = await machine.end().then(
    () => 'nothing',
    (error: unknown) => String(error),
  );
  expect(said).toMatch(
    losesData ? /did not end within 100 ms and was killed and has lost its data/ : /^nothing$/,
  );
  expect(await machine.ending()).toBe('ended by SIGKILL');
  expect(removals).toBe(losesData ? 1 : 0);
});

test('a process that loses its data when somebody else kills it reports that once, at its stop', async () => {
  const folder = await makeTempFolder('parts');
  let removals = 0;
  const machine = new ProcessMachine({
    folder,
    ports: [],
    graceMs: 10_000,
    afterKill: () => Promise.resolve(void removals++),
    spec: {
      command: process.execPath,
      args: ['-e', `console.log('pid', process.pid, '.'); setInterval(() => {}, 1000)`],
      cwd: folder.path,
      logFile: join(folder.path, 'log'),
    },
  });
  onTestFinished(() => machine.dispose());
  await machine.start();
  const pid = async (): Promise<number> => Number(/pid (\d+) \./.exec(await machine.log())?.[1] ?? 0);
  await waitFor('it to run', async () => (await pid()) > 0, { timeoutMs: 20_000 });
  process.kill(await pid(), 'SIGKILL');
  await expect(machine.end()).rejects.toThrow('ended out of order (ended by SIGKILL) and has lost its data');
  expect(removals).toBe(1);
  await machine.end();
  await machine.start();
  expect(removals).toBe(1);
});

test('a wait that times out says for what it waited, how long, and the last error', async () => {
  const never = waitFor('Godot', () => Promise.reject(new Error('he is late')), {
    timeoutMs: 20,
    intervalMs: 1,
  });
  await expect(never).rejects.toThrow('waited 20 ms for Godot; the last attempt failed: he is late');
  const hopeless = waitFor('Godot', () => undefined, {
    timeoutMs: 10_000,
    giveUp: () => new Error('he is dead'),
  });
  await expect(hopeless).rejects.toThrow('he is dead');
});
