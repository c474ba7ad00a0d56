import { inspect } from 'node:util';
import { Authority, type Certificate } from '@polybus/testbed/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import kafkajs from 'kafkajs';
import type { AclOperationTypes, AclResourceTypes } from 'kafkajs';
import { describe, expect, test } from 'vitest';
import type { KafkaConfig } from '../../src/index.ts';
import { ownKafka } from '../read/foreign.ts';
import { LogLines, adminOf, makeEngine, newName, startEngine, until } from '../support.ts';

const user = { username: 'alice', password: 'wonder-land' };

describeWithBroker('kafka', 'security', async () => {
  const authority = new Authority();
  const ca = authority.certificate.text;
  const client = authority.sign('client');
  const expiredClient = authority.sign('expired-client', { isExpired: true });
  const plainLogin = `org.apache.kafka.common.security.plain.PlainLoginModule required user_${user.username}="${user.password}";`;
  const scramLogin = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  const bearerLogin =
    'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";';
  const tlsOf = ({ key, text }: Certificate): Record<string, string> => ({
    'ssl.keystore.type': 'PEM',
    'ssl.truststore.type': 'PEM',
    'ssl.keystore.key': key,
    'ssl.keystore.certificate.chain': text,
    'ssl.truststore.certificates': ca,
  });
  const tls = tlsOf(authority.sign('broker'));
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
      { name: 'EXPIRED', protocol: 'SSL' },
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
      ...named('expired', tlsOf(authority.sign('expired', { isExpired: true }))),
      ...named('mutual', { ...tls, 'ssl.client.auth': 'required' }),
      ...named('both', { ...tls, 'sasl.enabled.mechanisms': 'PLAIN', 'plain.sasl.jaas.config': plainLogin }),
    },
  });
  const at = (listener: string): string[] => [broker.listeners[listener] ?? ''];

  const tokens: string[] = [];

  /** An unsigned token, which Kafka accepts if no other kind is configured. */
  function token(validForSeconds = 3600): { value: string; extensions: Record<string, string> } {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    const claims = { sub: 'alice', iat: now - 3600, exp: now + validForSeconds };
    const value = `${part({ alg: 'none' })}.${part(claims)}.`;
    tokens.push(value);
    return { value, extensions: { department: 'tea', table: 'long' } };
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
      "SASL OAUTHBEARER with the user's own client",
      () => ({
        client: new kafkajs.Kafka({
          brokers: at('SECURE'),
          sasl: { mechanism: 'oauthbearer', oauthBearerProvider: () => Promise.resolve(token()) },
        }),
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
    ['TLS with the CA', () => ({ brokers: at('TLS'), ssl: { ca } })],
    [
      'TLS with a certificate of the client',
      () => ({
        brokers: at('MUTUAL'),
        ssl: { ca, cert: client.text, key: client.key },
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
          'ssl.ca.location': authority.certificate.file,
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

  const sasl = { mechanism: 'plain', ...user } as const;
  const checkLogin = 'Check sasl, ssl, and the permissions of this user';
  const mistakes: readonly (readonly [string, () => KafkaConfig, string])[] = [
    [
      'a wrong password',
      () => ({ brokers: at('SECURE'), sasl: { ...sasl, password: 'rabbit-hole' } }),
      checkLogin,
    ],
    [
      'a wrong password with SCRAM',
      () => ({
        brokers: at('SECURE'),
        sasl: { mechanism: 'scram-sha-512', ...user, password: 'rabbit-hole' },
      }),
      checkLogin,
    ],
    ['no login', () => ({ brokers: at('SECURE') }), 'Check brokers, sasl and ssl'],
    [
      'an expired token',
      () => ({
        brokers: at('SECURE'),
        sasl: { mechanism: 'oauthbearer', oauthBearerProvider: () => Promise.resolve(token(-60)) },
      }),
      `the broker refused the token (invalid_token). ${checkLogin}`,
    ],
    [
      "an expired token with the user's own client",
      () => ({
        client: new kafkajs.Kafka({
          brokers: at('SECURE'),
          sasl: { mechanism: 'oauthbearer', oauthBearerProvider: () => Promise.resolve(token(-60)) },
          logLevel: kafkajs.logLevel.NOTHING,
        }),
      }),
      `the broker refused the token (invalid_token). ${checkLogin}`,
    ],
    [
      'no token',
      () => ({
        brokers: at('SECURE'),
        sasl: { mechanism: 'oauthbearer', oauthBearerProvider: () => Promise.resolve({} as never) },
      }),
      'oauthBearerProvider returned no object with a token',
    ],
    [
      'a certificate of an unknown authority',
      () => ({ brokers: at('TLS'), ssl: { ca: client.text } }),
      checkLogin,
    ],
    [
      'an expired certificate of the broker',
      () => ({ brokers: at('EXPIRED'), ssl: { ca } }),
      'certificate has expired',
    ],
    [
      'an expired certificate of the client',
      () => ({ brokers: at('MUTUAL'), ssl: { ca, cert: expiredClient.text, key: expiredClient.key } }),
      checkLogin,
    ],
    ['no certificate of the client', () => ({ brokers: at('MUTUAL'), ssl: { ca } }), checkLogin],
    ['no TLS where it is asked for', () => ({ brokers: at('TLS') }), 'Check brokers, sasl and ssl'],
  ];

  test.each(mistakes)(
    '%s fails the start: the error says so, and shows no secret',
    async (_, config, says) => {
      const logger = new LogLines();
      const engine = makeEngine({ ...config(), connectTimeoutMs: 3000 }, logger);
      const error = await engine.start().then(
        () => expect.fail('start resolved'),
        (reason: Error) => reason,
      );
      expect(error).toMatchObject({
        code: 'CONNECTION_FAILED',
        engine: 'kafka',
        message: expect.stringContaining(says),
      });
      // With all causes, and what hangs on them.
      const shown = [inspect(error, { depth: null, showHidden: true }), ...logger.lines].join('\n');
      for (const secret of ['rabbit-hole', user.password, client.key, expiredClient.key, ...tokens])
        expect(shown).not.toContain(secret);
    },
  );

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
