import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, guard } from '@polybus/testbed';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { afterAll, expect, test } from 'vitest';
import { ownRedis } from '../read/foreign.ts';
import { Flow, adminOf, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'Sentinel', async () => {
  // Redis waits five seconds for more replicas before it begins to copy to the first.
  const prompt = ['--repl-diskless-sync-delay', '0'];
  const primary = await ownRedis({ providers: ['local'], args: prompt });
  const { port } = new URL(primary.url);
  const replica = await ownRedis({
    providers: ['local'],
    args: ['--replicaof', '127.0.0.1', port, ...prompt],
  });
  const sentinelPort = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'polybus-sentinel-'));
  const file = join(folder, 'sentinel.conf');
  const lines = [
    `port ${sentinelPort}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor main 127.0.0.1 ${port} 1`,
    'sentinel down-after-milliseconds main 1000',
    'sentinel failover-timeout main 10000',
  ];
  writeFileSync(file, lines.join('\n'));
  const sentinel = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
  const exited = once(sentinel, 'exit');
  const release = guard({ kind: 'process', pid: sentinel.pid! });
  afterAll(async () => {
    sentinel.kill('SIGKILL');
    await exited;
    release();
    rmSync(folder, { recursive: true, force: true });
  });
  const clientOptions = { sentinels: [{ host: '127.0.0.1', port: sentinelPort }], name: 'main' };

  async function replicaIsReady(): Promise<void> {
    const asked = adminOf(`redis://127.0.0.1:${sentinelPort}`);
    await until('the sentinel to see that the replica has caught up', async () => {
      const replicas = await asked.call('SENTINEL', 'REPLICAS', 'main').catch(() => []);
      const [about = []] = replicas as string[][];
      const valueOf = (name: string): string | undefined => about[about.indexOf(name) + 1];
      return valueOf('master-link-status') === 'ok' && Number(valueOf('slave-repl-offset')) > 0;
    });
  }

  test('streams continue after a failover under load: every event that the new primary has arrives', async () => {
    await replicaIsReady();
    const keyPrefix = newPrefix();
    const config = { clientOptions, mode: 'streams', keyPrefix, commandTimeoutMs: 1000 } as const;
    const [publisher, consumer] = [await startEngine(config), await startEngine(config)];
    const [grouped, plain] = [new Set<unknown>(), new Set<unknown>()];
    const roomy = { bufferSize: 1_000_000 };
    await consumer.subscribeAsync('load', ({ payload }) => void grouped.add(payload), {
      ...roomy,
      group: 'g',
    });
    await consumer.subscribe('lo*', ({ payload }) => void plain.add(payload), roomy);
    const flow = new Flow(publisher, 'load');
    await flow.reaches(200);
    await primary.kill();
    await flow.reaches(200);
    const admin = adminOf(replica.url);
    expect(await admin.role()).toContain('master');
    // As if the group had been too new to be on the replica.
    await admin.xgroup('DESTROY', `${keyPrefix}load`, 'g');
    await flow.reaches(200);
    await flow.end();
    const entries = await admin.xrange(`${keyPrefix}load`, '-', '+');
    const kept = entries.map(([, [, event = '']]) => (JSON.parse(event) as { data: number }).data);
    expect(kept.length).toBeGreaterThanOrEqual(400);
    await until('all in the group', () => kept.every((n) => grouped.has(n)));
    await until('all without a group', () => kept.every((n) => plain.has(n)));
    expect(flow.refused.filter((code) => code !== 'PUBLISH_FAILED')).toEqual([]);
    await until('nothing to be pending', async () => {
      const [count] = (await admin.xpending(`${keyPrefix}load`, 'g')) as [number];
      return count === 0;
    });
  });
});
