import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { type Event, deadLetterOf } from '@polybus/core';
import { kafkaTool } from '@polybus/testbed';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { CloudEvent, Kafka as CloudEventsKafka } from 'cloudevents';
import type { IHeaders } from 'kafkajs';
import { expect, onTestFinished, test } from 'vitest';
import { adminOf, newName, plainKafka, startEngine, until } from '../support.ts';

describeWithBroker('kafka', 'foreign clients', ({ brokers }) => {
  const list = [...brokers];
  const address = list.join();

  /** Kafka's console producer, given lines of headers, key and value, separated by tabs. */
  async function consoleProduce(topic: string, lines: readonly string[]): Promise<void> {
    const { command, args } = await kafkaTool('org.apache.kafka.tools.ConsoleProducer');
    const reading = ['parse.headers=true', 'parse.key=true', 'null.marker=NULL'];
    const child = spawn(command, [
      ...args,
      ...['--bootstrap-server', address, '--topic', topic],
      ...reading.flatMap((property) => ['--reader-property', property]),
    ]);
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    child.stderr.on('data', (chunk) => (said += String(chunk)));
    child.stdin.end(lines.map((line) => `${line}\n`).join(''));
    const code = await new Promise((resolve) => child.on('exit', resolve));
    expect([code, said.includes('ERROR') ? said : '']).toEqual([0, '']);
  }

  async function collect(topic: string): Promise<Event[]> {
    const engine = await startEngine({ brokers: list, numPartitions: 1 });
    const seen: Event[] = [];
    await engine.subscribe(topic, (event) => void seen.push(event));
    return seen;
  }

  test("Kafka's console producer: the engine reads values without an envelope, and CloudEvents in both modes", async () => {
    const topic = newName();
    const seen = await collect(topic);
    const structured = {
      specversion: '1.0',
      id: 's-1',
      source: '/shell',
      type: 'user.created',
      data: { n: 3 },
    };
    const headers =
      'ce_specversion:1.0,ce_id:b-1,ce_source:/shell,ce_type:user.created,content-type:application/json';
    await consoleProduce(topic, [
      'source:shell,kind:test\tu1\t{"n":1}',
      'source:shell\tNULL\tnot JSON',
      `content-type:application/cloudevents+json\tu3\t${JSON.stringify(structured)}`,
      `${headers}\tu4\t{"n":4}`,
      `by:guess\tu5\t${JSON.stringify({ ...structured, id: 's-2', data: 5 })}`,
      'source:shell\tu6\tNULL',
    ]);
    await until('all events', () => seen.length === 6);
    expect(seen.map(({ id, key, payload }) => ({ id, key, payload }))).toEqual([
      { id: `${topic}-0-0`, key: 'u1', payload: { n: 1 } },
      { id: `${topic}-0-1`, key: undefined, payload: 'not JSON' },
      { id: 's-1', key: 'u3', payload: { n: 3 } },
      { id: 'b-1', key: 'u4', payload: { n: 4 } },
      { id: 's-2', key: 'u5', payload: 5 },
      { id: `${topic}-0-5`, key: 'u6', payload: undefined },
    ]);
    expect(seen[0]?.metadata).toEqual({ source: 'shell', kind: 'test' });
    expect(seen[3]?.metadata).toMatchObject({
      'cloudevents.type': 'user.created',
      'cloudevents.source': '/shell',
    });
  });

  test.each([
    [
      'structured',
      'content-type:application/cloudevents+json; charset=utf-8',
      { id: 'ours-1', data: { name: 'Ada' } },
    ],
    ['binary', 'ce_id:ours-1', { name: 'Ada' }],
  ] as const)(
    "Kafka's console consumer reads the engine's events, %s",
    async (contentMode, header, value) => {
      const topic = newName();
      const engine = await startEngine({ brokers: list, contentMode });
      await engine.publish({ topic, payload: { name: 'Ada' }, key: 'u1', id: 'ours-1' });
      await engine.publish({ topic, payload: undefined, key: 'u1', id: 'ours-2' });
      const { command, args } = await kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer');
      const printing = ['print.key=true', 'print.headers=true'];
      const { stdout } = await promisify(execFile)(command, [
        ...args,
        ...['--bootstrap-server', address, '--topic', topic],
        ...['--from-beginning', '--max-messages', '2', '--timeout-ms', '30000'],
        ...printing.flatMap((property) => ['--formatter-property', property]),
      ]);
      const lines = stdout.trim().split('\n');
      const [first = [], second = []] = lines.map((line) => line.split('\t'));
      expect([first[1], second[1]]).toEqual(['u1', 'u1']);
      expect(first[0]).toContain(header);
      expect(JSON.parse(first[2] ?? '')).toMatchObject(value);
      // Not a tombstone, which would delete the key from a compacted topic.
      expect(JSON.parse(second[2] ?? '')).toMatchObject({ id: 'ours-2' });
    },
  );

  test('the engine reads CloudEvents of the official SDK in both modes', async () => {
    const topic = newName();
    const seen = await collect(topic);
    const producer = plainKafka(list).producer({ allowAutoTopicCreation: false });
    await producer.connect();
    onTestFinished(() => producer.disconnect());
    const event = new CloudEvent({
      id: 'sdk',
      source: '/sdk',
      datacontenttype: 'application/json',
      type: 'user.created',
      partitionkey: 'u1',
      data: { n: 1 },
    });
    for (const message of [CloudEventsKafka.structured(event), CloudEventsKafka.binary(event)]) {
      const value = typeof message.value === 'string' ? message.value : JSON.stringify(message.value);
      const headers: IHeaders = {};
      for (const [name, header] of Object.entries(message.headers)) {
        if (header !== undefined) headers[name] = String(header);
      }
      await producer.send({ topic, messages: [{ value, headers }] });
    }
    await until('both', () => seen.length === 2);
    for (const { id, key, payload } of seen)
      expect({ id, key, payload }).toEqual({ id: 'sdk', key: 'u1', payload: { n: 1 } });
  });

  test('bytes that are not text become a payload of bytes; an invalid CloudEvent becomes a dead letter', async () => {
    const topic = newName();
    const engine = await startEngine({ brokers: list, numPartitions: 1 });
    const [seen, dead]: [unknown[], unknown[]] = [[], []];
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload), { group: newName('g') });
    await engine.subscribe(`_dead.${topic}`, ({ payload }) => void dead.push(payload));
    const producer = plainKafka(list).producer({ allowAutoTopicCreation: false });
    await producer.connect();
    onTestFinished(() => producer.disconnect());
    const bytes = Buffer.from([0xff, 0, 0xfe]);
    const headers = { 'content-type': 'application/cloudevents+json' };
    await producer.send({ topic, messages: [{ value: bytes }, { value: bytes, headers }, { value: '1' }] });
    await until('two events and a dead letter', () => seen.length === 2 && dead.length === 1);
    expect(seen).toEqual([new Uint8Array(bytes), 1]);
    expect(dead).toEqual([new Uint8Array(bytes)]);
  });

  test('records that exceed the publish limits are delivered: long keys, long topics, times beyond Date, arbitrary headers', async () => {
    const topic = `${newName()}.`.padEnd(249, 'x');
    const admin = await adminOf(list);
    const configEntries = ['before', 'after'].map((side) => ({
      name: `message.timestamp.${side}.max.ms`,
      value: '9223372036854775807',
    }));
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
    const engine = await startEngine({ brokers: list });
    const [seen, dead]: [Event[], Event[]] = [[], []];
    const failing = (event: Event): never => {
      seen.push(event);
      throw new Error('no');
    };
    await engine.subscribe('_dead.*', (event) => void dead.push(event));
    await engine.subscribe(topic, failing, { group: newName('g'), retry: false });
    const producer = plainKafka(list).producer({ allowAutoTopicCreation: false });
    await producer.connect();
    onTestFinished(() => producer.disconnect());
    const key = JSON.stringify({ schema: { name: 'x'.repeat(300) }, payload: { id: 7 } });
    const names = ['__proto__', 'constructor', 'toString'];
    const headers = Object.fromEntries(names.map((name) => [name, `the ${name}`]));
    const timestamps = ['1700000000000', '1700000000000000', '1700000000000000000', '-1'];
    const messages = timestamps.map((timestamp) => ({ key, value: '1', headers, timestamp }));
    await producer.send({ topic, messages });
    const lettersOf = () => dead.filter((event) => deadLetterOf(event)?.sourceTopic === topic);
    await until('four events and their dead letters', () => lettersOf().length === 4);
    for (const { id, metadata, createdAt, ...event } of [...seen, ...lettersOf()]) {
      expect(event).toMatchObject({ key, payload: 1 });
      expect(id).toContain(`${topic}-0-`);
      expect(names.map((name) => Object.getOwnPropertyDescriptor(metadata, name)?.value as unknown)).toEqual(
        names.map((name) => `the ${name}`),
      );
      expect(createdAt.getTime()).not.toBeNaN();
    }
    expect(seen.slice(0, 2).map(({ createdAt }) => createdAt.getTime())).toEqual([
      1700000000000, 1700000000000000,
    ]);
  });

  test('keys that are no UTF-8 keep their order, too', async () => {
    const topic = newName();
    const engine = await startEngine({ brokers: list });
    const seen: [key: string | undefined, payload: unknown][] = [];
    let failures = 1;
    const handler = ({ key, payload }: Event): void => {
      if (payload === 1 && failures-- > 0) throw new Error('the first attempt');
      seen.push([key, payload]);
    };
    await engine.subscribeAsync(topic, handler, { group: newName('g'), concurrency: 3 });
    const producer = plainKafka(list).producer({ allowAutoTopicCreation: false });
    await producer.connect();
    onTestFinished(() => producer.disconnect());
    const [one, other] = [Buffer.from([0xff, 1]), Buffer.from([0xff, 2])];
    const messages = [one, one, other].map((key, n) => ({ key, value: String(n + 1), partition: 0 }));
    await producer.send({ topic, messages });
    await until('three events', () => seen.length === 3);
    const of = (key: Buffer): unknown[] => seen.filter(([name]) => name === key.toString('base64'));
    expect(of(one).map((event) => (event as unknown[])[1])).toEqual([1, 2]);
    expect(of(other)).toHaveLength(1);
  });

  test('events of an aborted transaction are not delivered, and events of a committed transaction are', async () => {
    const topic = newName();
    const seen = await collect(topic);
    const producer = plainKafka(list).producer({
      transactionalId: newName('tx'),
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    onTestFinished(() => producer.disconnect());
    for (const [value, isKept] of [
      ['1', false],
      ['2', true],
      ['3', false],
      ['4', true],
    ] as const) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ value }] });
      await (isKept ? transaction.commit() : transaction.abort());
    }
    await until('two events', () => seen.length === 2);
    expect(seen.map(({ payload }) => payload)).toEqual([2, 4]);
    const admin = await adminOf(list);
    const [offsets] = await admin.fetchTopicOffsets(topic);
    // Four records, and the end of each transaction.
    expect(Number(offsets?.offset)).toBe(8);
  });
});
