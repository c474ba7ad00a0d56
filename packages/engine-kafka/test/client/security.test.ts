import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describeWithBroker } from '@polybus/testbed/vitest';
import kafkajs from 'kafkajs';
import type { AclOperationTypes, AclResourceTypes } from 'kafkajs';
import { afterAll, describe, expect, test } from 'vitest';
import type { KafkaConfig } from '../../src/index.ts';
import { ownKafka } from '../read/foreign.ts';
import { LogLines, adminOf, makeEngine, newName, startEngine, until } from '../support.ts';

const user = { username: 'alice', password: 'wonder-land' };
const folder = mkdtempSync(join(tmpdir(), 'polybus-tls-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);
const read = (name: string): string => readFileSync(path(name), 'utf8');

/** A certificate authority of the test's own, with a certificate of the broker and one of a client. */
function makeCertificates(): void {
  const openssl = (...args: string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const newKey = ['-newkey', 'rsa:2048', '-nodes', '-days', '2', '-sha256'];
  for (const authority of ['ca', 'other-ca']) {
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-subj',
      `/CN=${authority}`,
      '-keyout',
      `${authority}.key`,
      '-out',
      `${authority}.pem`,
    );
  }
  for (const [name, subject] of [
    ['broker', '127.0.0.1'],
    ['client', 'client'],
  ] as const) {
    openssl(
      'req',
      ...newKey.filter((one) => one !== '-days' && one !== '2'),
      '-subj',
      `/CN=${subject}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    );
    const extension = path(`${name}.ext`);
    execFileSync('sh', ['-c', `printf 'subjectAltName=IP:127.0.0.1\\n' > '${extension}'`]);
    openssl(
      'x509',
      '-req',
      '-days',
      '2',
      '-sha256',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-extfile',
      extension,
      '-out',
      `${name}.pem`,
    );
  }
}

describeWithBroker('kafka', 'security', async () => {
  makeCertificates();
  const plainLogin = `org.apache.kafka.common.security.plain.PlainLoginModule required user_${user.username}="${user.password}";`;
  const scramLogin = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  const bearerLogin =
    'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";';
  const tls = {
    'ssl.keystore.type': 'PEM',
    'ssl.truststore.type': 'PEM',
    'ssl.keystore.key': read('broker.key'),
    'ssl.keystore.certificate.chain': read('broker.pem'),
    'ssl.truststore.certificates': read('ca.pem'),
  };
  const named = (name: string, settings: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(settings).map(([key, value]) => [`listener.name.${name}.${key}`, value]),
    );
  const broker = await ownKafka({
    listeners: [
      { name: 'SECURE', protocol: 'SASL_PLAINTEXT' },
      { name: 'TLS', protocol: 'SSL' },
      { name: 'MUTUAL', protocol: 'SSL' },
      { name: 'BOTH', protocol: 'SASL_SSL' },
    ],
    scramUsers: (['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const).map((mechanism) => ({
      mechanism,
      name: user.username,
      password: user.password,
    })),
    config: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
      'allow.everyone.if.no.acl.found': 'true',
      ...named('secure', {
        'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
        'plain.sasl.jaas.config': plainLogin,
        'scram-sha-256.sasl.jaas.config': scramLogin,
        'scram-sha-512.sasl.jaas.config': scramLogin,
        'oauthbearer.sasl.jaas.config': bearerLogin,
      }),
      ...named('tls', tls),
      ...named('mutual', { ...tls, 'ssl.client.auth': 'required' }),
      ...named('both', { ...tls, 'sasl.enabled.mechanisms': 'PLAIN', 'plain.sasl.jaas.config': plainLogin }),
    },
  });
  const at = (listener: string): string[] => [broker.listeners[listener] ?? ''];

  /** An unsigned token, which Kafka takes where no other kind is configured. */
  function token(): { value: string } {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    return { value: `${part({ alg: 'none' })}.${part({ sub: 'alice', iat: now, exp: now + 3600 })}.` };
  }

  const ways: readonly (readonly [string, () => KafkaConfig])[] = [
    ['SASL PLAIN', () => ({ brokers: at('SECURE'), sasl: { mechanism: 'plain', ...user } })],
    ['SASL SCRAM-SHA-256', () => ({ brokers: at('SECURE'), sasl: { mechanism: 'scram-sha-256', ...user } })],
    ['SASL SCRAM-SHA-512', () => ({ brokers: at('SECURE'), sasl: { mechanism: 'scram-sha-512', ...user } })],
    [
      'SASL OAUTHBEARER',
      () => ({
        brokers: at('SECURE'),
        sasl: { mechanism: 'oauthbearer', oauthBearerProvider: () => Promise.resolve(token()) },
      }),
    ],
    [
      "the Go module's user and password",
      () => ({
        externalBrokerURL: `kafka://${at('SECURE').join()}`,
        externalBrokerUser: user.username,
        externalBrokerPassword: user.password,
      }),
    ],
    ['TLS with the CA', () => ({ brokers: at('TLS'), ssl: { ca: read('ca.pem') } })],
    [
      'TLS with a certificate of the client',
      () => ({
        brokers: at('MUTUAL'),
        ssl: { ca: read('ca.pem'), cert: read('client.pem'), key: read('client.key') },
      }),
    ],
    [
      "TLS and SASL by the Go module's map",
      () => ({
        brokers: at('BOTH'),
        security: {
          'security.protocol': 'SASL_SSL',
          'sasl.mechanism': 'PLAIN',
          'sasl.username': user.username,
          'sasl.password': user.password,
          'ssl.ca.location': path('ca.pem'),
        },
      }),
    ],
  ];

  describe.each(ways)('%s', (_, config) => {
    test('carries events, in a group and without', async () => {
      const engine = await startEngine(config());
      const topic = newName();
      const seen: unknown[] = [];
      await engine.subscribe(topic, ({ payload }) => void seen.push(payload));
      await engine.subscribe(topic, ({ payload }) => void seen.push(payload), { group: newName('g') });
      await engine.publish({ topic, payload: 1 });
      await until('the event', () => seen.length === 2);
    });
  });

  const mistakes: readonly (readonly [string, () => KafkaConfig])[] = [
    [
      'a wrong password',
      () => ({ brokers: at('SECURE'), sasl: { mechanism: 'plain', ...user, password: 'rabbit-hole' } }),
    ],
    [
      'a wrong password with SCRAM',
      () => ({
        brokers: at('SECURE'),
        sasl: { mechanism: 'scram-sha-512', ...user, password: 'rabbit-hole' },
      }),
    ],
    [
      'a certificate of an unknown authority',
      () => ({ brokers: at('TLS'), ssl: { ca: read('other-ca.pem') } }),
    ],
    ['no certificate of the client', () => ({ brokers: at('MUTUAL'), ssl: { ca: read('ca.pem') } })],
    ['no TLS where it is asked for', () => ({ brokers: at('TLS') })],
  ];

  test.each(mistakes)('%s fails the start, and the error shows no secret', async (_, config) => {
    const logger = new LogLines();
    const engine = makeEngine({ ...config(), connectTimeoutMs: 3000 }, logger);
    const error = await engine.start().then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', engine: 'kafka' });
    // With all causes, and what hangs on them.
    const told = [inspect(error, { depth: null, showHidden: true }), ...logger.lines].join('\n');
    for (const secret of ['rabbit-hole', user.password]) expect(told).not.toContain(secret);
  });

  test('an operation that the cluster does not allow rejects with a typed error and affects nothing else', async () => {
    const [closed, open, group] = [newName('closed'), newName('open'), newName('g')];
    const admin = await adminOf(broker.brokers);
    const topics = [{ topic: closed }, { topic: open }];
    await admin.createTopics({ topics, waitForLeaders: true });
    const rule = (type: AclResourceTypes, name: string, operation: AclOperationTypes, principal: string) => ({
      resourceType: type,
      resourceName: name,
      resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
      principal: `User:${principal}`,
      host: '*',
      operation,
      permissionType: kafkajs.AclPermissionTypes.ALLOW,
    });
    const { TOPIC, GROUP } = kafkajs.AclResourceTypes;
    const { DESCRIBE, WRITE, READ } = kafkajs.AclOperationTypes;
    await admin.createAcls({
      acl: [
        rule(TOPIC, closed, DESCRIBE, user.username),
        rule(TOPIC, closed, WRITE, 'bob'),
        rule(GROUP, group, READ, 'bob'),
      ],
    });
    const engine = await startEngine({ brokers: at('SECURE'), sasl: { mechanism: 'plain', ...user } });
    const seen: unknown[] = [];
    await engine.subscribe(open, ({ payload }) => void seen.push(payload));
    const [refused, accepted] = await Promise.allSettled([
      engine.publish({ topic: closed, payload: 1 }),
      engine.publish({ topic: open, payload: 2 }),
    ]);
    expect(refused).toMatchObject({ reason: { code: 'PUBLISH_FAILED', topic: closed } });
    expect(accepted.status).toBe('fulfilled');
    await expect(engine.subscribe(open, () => {}, { group })).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      topic: open,
      message: expect.stringContaining('group'),
    });
    // A topic that may not be read does not prevent reading the other topics.
    await engine.subscribe(closed, () => {});
    await engine.publish({ topic: open, payload: 3 });
    await until('both events', () => seen.includes(2) && seen.includes(3));
  });
});
