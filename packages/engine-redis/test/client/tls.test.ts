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
  const plain = await ownRedis({ args, providers: ['local'] });
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

  test('start rejects a certificate that no known authority has signed', async () => {
    const engine = makeEngine({ url, keyPrefix: newPrefix() });
    const problem = { code: 'CONNECTION_FAILED', message: expect.stringContaining('certificate') };
    await expect(engine.start()).rejects.toMatchObject(problem);
  });

  test.each(['pubsub', 'streams'] as const)(
    'start names TLS if the port does not use it, mode %s',
    async (mode) => {
      const engine = makeEngine({
        url: plain.url.replace('redis:', 'rediss:'),
        mode,
        clientOptions: { connectTimeout: 300 },
      });
      const error = await engine.start().then(
        () => expect.fail('start resolved'),
        (reason: Error & { code?: string }) => reason,
      );
      expect(error.code).toBe('CONNECTION_FAILED');
      expect(error.message).toContain('check that this port of the server uses TLS');
      expect(error.message.match(/No connection to Redis/g)).toHaveLength(1);
    },
  );

  test.each(['pubsub', 'streams'] as const)(
    'start names rediss:// if the port requires TLS, mode %s',
    async (mode) => {
      const engine = makeEngine({
        url: url.replace('rediss:', 'redis:'),
        mode,
        clientOptions: { connectTimeout: 300 },
      });
      const problem = { code: 'CONNECTION_FAILED', message: expect.stringContaining('use rediss://') };
      await expect(engine.start()).rejects.toMatchObject(problem);
    },
  );
});
