import { inspect } from 'node:util';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test, vi } from 'vitest';
import { DynamoDBCheckpointStore } from '../../src/stores/dynamodb-store.ts';
import { FaultProxy, everyNth } from '../fault-proxy.ts';
import { addressOf, quick } from '../read/foreign.ts';
import { LogLines, newStream, patient, startEngine, storesById, until } from '../support.ts';

describeWithBroker('kinesis', 'credentials that the service refuses', (kinesis) => {
  const configOf = (streamName: string) => ({
    ...addressOf(kinesis),
    ...quick,
    streamName,
    checkpointStore: storesById(streamName),
    publishTimeoutMs: 30_000,
  });

  const secrets = { secretAccessKey: 'hunter2-is-secret', sessionToken: 'temporary-and-secret' };
  const signature = `The Canonical String for this request should have been\nx-amz-security-token:${secrets.sessionToken}`;
  const refusals: readonly (readonly [type: string, message: string, advice: string])[] = [
    [
      'UnrecognizedClientException',
      'The security token included in the request is invalid.',
      'Check the region, the credentials',
    ],
    [
      'ExpiredTokenException',
      'The security token included in the request is expired',
      'Configure new credentials',
    ],
    [
      'MissingAuthenticationTokenException',
      'Missing Authentication Token',
      'Check the region, the credentials',
    ],
    [
      'InvalidSignatureException',
      `The signature does not match. ${signature}`,
      'Check the region, the credentials',
    ],
  ];

  /** The rejection as a log of everything would show it, with all causes and what hangs on them. */
  const shown = (error: unknown, log: LogLines): string =>
    [inspect(error, { depth: null, showHidden: true }), ...log.lines].join('\n');

  test.each(refusals)(
    '%s at start: the error says what to do, and shows no secret',
    patient,
    async (type, message, advice) => {
      const proxy = await FaultProxy.to(kinesis.endpoint);
      proxy.rule = everyNth(1, 'DescribeStreamSummary', { status: 400, type, message });
      const log = new LogLines();
      const config = { ...configOf(newStream()), endpoint: proxy.endpoint, ...secrets };
      const error = await startEngine(config, log).then(
        () => expect.fail('it started'),
        (reason: Error) => reason,
      );
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED', message: expect.stringContaining(advice) });
      for (const secret of Object.values(secrets)) expect(shown(error, log)).not.toContain(secret);
    },
  );

  test(
    'a token that expires while the engine runs: publish and health say so, and show no secret',
    patient,
    async () => {
      const proxy = await FaultProxy.to(kinesis.endpoint);
      const log = new LogLines();
      const config = {
        ...configOf(newStream()),
        endpoint: proxy.endpoint,
        stallLimitMs: 1000,
        ...secrets,
      };
      const engine = await startEngine(config, log);
      const seen: unknown[] = [];
      await engine.subscribe('a', ({ payload }) => void seen.push(payload));
      const [type, message, advice] = refusals[1]!;
      proxy.rule = () => ({ status: 400, type, message });
      const error = await engine.publish({ topic: 'a', payload: 1 }).then(
        () => expect.fail('it was published'),
        (reason: Error) => reason,
      );
      expect(error).toMatchObject({ code: 'PUBLISH_FAILED', message: expect.stringContaining(advice) });
      await until('health to report it', async () => ((await engine.health()).error ?? '').includes(type));
      expect((await engine.health()).status).not.toBe('up');
      const all = `${shown(error, log)}\n${inspect(await engine.health(), { depth: null })}`;
      for (const secret of Object.values(secrets)) expect(all).not.toContain(secret);
      proxy.rule = () => undefined;
      await engine.publish({ topic: 'a', payload: 2 });
      await until('the event', () => seen.includes(2));
      await until('health to be up', async () => (await engine.health()).status === 'up');
    },
  );

  test(
    'a checkpoint store whose token has expired: subscribe says so, and shows no secret',
    patient,
    async () => {
      const proxy = await FaultProxy.to(kinesis.endpoint);
      const [type, message] = refusals[1]!;
      proxy.rule = () => ({ status: 400, type, message });
      const credentials = { accessKeyId: 'test', ...secrets };
      const client = new DynamoDBClient({ endpoint: proxy.endpoint, region: 'eu-west-1', credentials });
      onTestFinished(() => client.destroy());
      const log = new LogLines();
      const checkpointStore = new DynamoDBCheckpointStore(client);
      const engine = await startEngine({ ...configOf(newStream()), checkpointStore }, log);
      const error = await engine
        .subscribe('a', () => {}, { group: 'g' })
        .then(
          () => expect.fail('it subscribed'),
          (reason: Error) => reason,
        );
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED', message: expect.stringContaining(type) });
      for (const secret of Object.values(secrets)) expect(shown(error, log)).not.toContain(secret);
    },
  );

  test('no credentials at all fail the start: the error says what to do', patient, async () => {
    const nowhere = '/nowhere/credentials';
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', nowhere);
    vi.stubEnv('AWS_CONFIG_FILE', nowhere);
    // The address of the service that gives credentials to virtual machines is not on this machine.
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE'])
      vi.stubEnv(name, undefined);
    onTestFinished(() => void vi.unstubAllEnvs());
    const { accessKeyId: _, secretAccessKey: __, ...config } = configOf(newStream());
    await expect(startEngine(config)).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      message: expect.stringMatching(/CredentialsProviderError: .*Check the region, the credentials/),
    });
  });
});
