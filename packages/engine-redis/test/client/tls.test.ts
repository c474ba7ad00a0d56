import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@polybus/testbed';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { afterAll, expect, test } from 'vitest';
import { ownRedis } from '../read/foreign.ts';
import { makeEngine, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'TLS', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polybus-tls-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const [key, certificate] = [join(folder, 'server.key'), join(folder, 'server.crt')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject];
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  const port = await freePort();
  const files = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate];
  // The testbed looks for the server on its port without TLS, so it has both.
  const args = ['--tls-port', String(port), '--tls-auth-clients', 'no', ...files];
  await ownRedis({ args, providers: ['local'] });
  const url = `rediss://localhost:${String(port)}`;
  const tls = { ca: readFileSync(certificate) };

  test.each(['pubsub', 'streams'] as const)('events go over TLS, mode %s', async (mode) => {
    const engine = await startEngine({ url, mode, keyPrefix: newPrefix(), clientOptions: { tls } });
    const seen = new Set<unknown>();
    await engine.subscribe('tls.*', ({ payload }) => void seen.add(payload));
    if (mode === 'streams') {
      await engine.subscribe<number>('tls.*', ({ payload }) => void seen.add(-payload), { group: 'g' });
    }
    const numbers = Array.from({ length: 50 }, (_, n) => n + 1);
    await Promise.all(numbers.map((payload) => engine.publish({ topic: 'tls.a', payload, key: 'k' })));
    await until('the events', () => seen.size === (mode === 'streams' ? 100 : 50));
    expect((await engine.health()).status).toBe('up');
  });

  test('a certificate that nobody vouches for is told by start', async () => {
    const engine = makeEngine({ url, keyPrefix: newPrefix() });
    const problem = { code: 'CONNECTION_FAILED', message: expect.stringContaining('certificate') };
    await expect(engine.start()).rejects.toMatchObject(problem);
  });
});
