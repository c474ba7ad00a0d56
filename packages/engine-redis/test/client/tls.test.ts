import { inspect } from 'node:util';
import { freePort } from '@polybus/testbed';
import { Authority, type Certificate } from '@polybus/testbed/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { describe, expect, test } from 'vitest';
import type { RedisConfig } from '../../src/index.ts';
import { ownRedis } from '../read/foreign.ts';
import { LogLines, makeEngine, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'TLS', async () => {
  const authority = new Authority();
  const ca = authority.certificate.text;
  const password = 'looking-glass';

  /** Starts a server with TLS. The testbed looks for the server on its port without TLS, so it has both. */
  async function secureRedis(
    { file, keyFile }: Certificate,
    { asksClients = false, ...options }: { asksClients?: boolean; password?: string } = {},
  ): Promise<{ url: string; plainUrl: string }> {
    const port = await freePort();
    const files = ['--tls-cert-file', file, '--tls-key-file', keyFile];
    const ofClients = ['--tls-auth-clients', asksClients ? 'yes' : 'no'];
    const authorities = ['--tls-ca-cert-file', authority.certificate.file];
    const args = ['--tls-port', String(port), ...files, ...authorities, ...ofClients];
    const { url: plainUrl } = await ownRedis({ args, providers: ['local'], ...options });
    return { url: `rediss://localhost:${String(port)}`, plainUrl };
  }

  const { url, plainUrl } = await secureRedis(authority.sign('server'));
  const [mutual, expired] = await Promise.all([
    secureRedis(authority.sign('mutual'), { asksClients: true, password }),
    secureRedis(authority.sign('expired', { isExpired: true })),
  ]);
  const tls = { ca };

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
    const problem = {
      code: 'CONNECTION_FAILED',
      message: expect.stringMatching(/(issuer|first|self-signed) certificate/),
    };
    await expect(engine.start()).rejects.toMatchObject(problem);
  });

  test.each(['pubsub', 'streams'] as const)(
    'start names TLS if the port does not use it, mode %s',
    async (mode) => {
      const engine = makeEngine({
        url: plainUrl.replace('redis:', 'rediss:'),
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

  test('a server that asks for a certificate of the client and a password takes both', async () => {
    const { key, text: cert } = authority.sign('client');
    const clientOptions = { tls: { ca, cert, key } };
    const engine = await startEngine({ url: mutual.url, password, keyPrefix: newPrefix(), clientOptions });
    const seen: unknown[] = [];
    await engine.subscribe('tls.a', ({ payload }) => void seen.push(payload));
    await engine.publish({ topic: 'tls.a', payload: 1 });
    await until('the event', () => seen.length === 1);
  });

  const client = authority.sign('known-client');
  const expiredClient = authority.sign('expired-client', { isExpired: true });
  const withKey = ({ key, text: cert }: Certificate) => ({ tls: { ca, cert, key } });
  const mistakes: readonly (readonly [string, RedisConfig, string])[] = [
    [
      'an expired certificate of the server',
      { url: expired.url, clientOptions: { tls } },
      'certificate has expired',
    ],
    [
      'an expired certificate of the client',
      { url: mutual.url, password, clientOptions: withKey(expiredClient) },
      'certificate of the client',
    ],
    [
      'no certificate of the client',
      { url: mutual.url, password, clientOptions: { tls } },
      'certificate of the client',
    ],
    ['no password', { url: mutual.url, clientOptions: withKey(client) }, 'Check the user, the password'],
    [
      'a wrong password',
      { url: mutual.url, password: 'rabbit-hole', clientOptions: withKey(client) },
      'Check the user, the password',
    ],
  ];

  describe.each(['pubsub', 'streams'] as const)('mode %s', (mode) => {
    test.each(mistakes)(
      '%s fails the start: the error says so, and shows no secret',
      async (_, config, says) => {
        const logger = new LogLines();
        const engine = makeEngine({ ...config, mode, keyPrefix: newPrefix() }, logger);
        const error = await engine.start().then(
          () => expect.fail('start resolved'),
          (reason: Error) => reason,
        );
        expect(error).toMatchObject({ code: 'CONNECTION_FAILED', message: expect.stringContaining(says) });
        // With all causes, and what hangs on them.
        const shown = [inspect(error, { depth: null, showHidden: true }), ...logger.lines].join('\n');
        for (const secret of [password, 'rabbit-hole', client.key, expiredClient.key]) {
          expect(shown).not.toContain(secret);
        }
      },
    );
  });
});
