import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { Connections } from '../../src/client/connections.ts';
import { ConsumerCommands } from '../../src/group/consumer-commands.ts';
import { removeDeadConsumers } from '../../src/group/dead-consumers.ts';
import { resolveOptions } from '../../src/options/options.ts';
import { StreamKeys } from '../../src/store/stream-keys.ts';
import { StreamStore } from '../../src/store/stream-store.ts';
import { type StreamEntry, fieldOf, keyOf } from '../../src/store/stream-entry.ts';
import { firstId } from '../../src/store/stream-ids.ts';
import { LogLines, newPrefix } from '../support.ts';

const topic = 'work';
const group = 'workers';

/*
 * The answers of the server to reads and releases of members in a fixed order, which a test with whole engines cannot determine.
 */
describeWithBroker('redis', 'the members of a group, command by command', ({ url }) => {
  async function makeStore(): Promise<StreamStore> {
    const logger = new LogLines();
    const options = resolveOptions({ url, mode: 'streams' }, 'config');
    const connections = new Connections(options.connection, 'redis', logger);
    onTestFinished(() => connections.closeAll());
    const store = new StreamStore(await connections.make('streams'), new StreamKeys(newPrefix()), options, {
      logger,
      missed: () => {},
    });
    await store.createGroup(topic, group, '$');
    return store;
  }

  class Member {
    readonly #commands: ConsumerCommands;
    #cursor = firstId;

    constructor(store: StreamStore, consumer: string) {
      this.#commands = new ConsumerCommands(store, topic, group, consumer);
    }

    static async join(store: StreamStore, consumer: string): Promise<Member> {
      await store.createGroup(topic, group, '$', consumer);
      return new Member(store, consumer);
    }

    /** As behind a blocking read. */
    async readNewFirst(count = 100): Promise<string[]> {
      return eventsOf(await this.read(count, true));
    }

    async read(count = 100, newFirst = false): Promise<StreamEntry[]> {
      const request = { count, again: 1, inHand: [], cursor: this.#cursor, newFirst };
      const { entries, cursor } = await this.#commands.read(request);
      this.#cursor = cursor;
      return [...entries];
    }

    giveBack(entries: readonly StreamEntry[]): Promise<void> {
      const given = entries.map((entry) => ({ id: entry.id, deliveries: 0, key: keyOf(entry) }));
      return this.#commands.giveBack(given);
    }

    acknowledge(entries: readonly StreamEntry[]): Promise<void> {
      return this.#commands.acknowledgeKeyed(entries.flatMap((entry) => [entry.id, keyOf(entry)]));
    }

    leave(): Promise<void> {
      return this.#commands.leave();
    }
  }

  async function add(store: StreamStore, key: string, ...events: string[]): Promise<void> {
    for (const event of events)
      await store.run((client) => client.xadd(store.keys.stream(topic), '*', 'event', event, 'key', key));
  }

  const wakeUps = (store: StreamStore, engine: string): Promise<number> =>
    store.run((client) => client.xlen(store.keys.wakePrefix + engine));
  const owners = (store: StreamStore): Promise<number> =>
    store.run((client) => client.hlen(store.keys.owners(topic, group)));
  const eventsOf = (entries: readonly StreamEntry[]): string[] =>
    entries.map((entry) => String(fieldOf(entry, 'event')));

  test.each([false, true])(
    'a read that finds a dead owner keeps the order of the other keys in the same read (new entries first: %s)',
    async (newFirst) => {
      const store = await makeStore();
      const [me, dead] = [await Member.join(store, 'a.1'), await Member.join(store, 'b.1')];
      await add(store, 'x', 'x1');
      expect(eventsOf(await dead.read())).toEqual(['x1']);
      // Its lease ends without anybody noticing.
      await store.run((client) => client.hdel(`${store.keys.stream(topic)}:members:${group}`, 'b.1'));
      await add(store, 'k', 'k1');
      await add(store, 'x', 'x2');
      await add(store, 'k', 'k2');
      const got: string[] = eventsOf(await me.read(100, newFirst));
      await add(store, 'k', 'k3');
      for (let n = 0; n < 4; n++) got.push(...eventsOf(await me.read(100, newFirst)));
      expect(got.filter((event) => event.startsWith('k'))).toEqual(['k1', 'k2', 'k3']);
      expect(got.filter((event) => event.startsWith('x'))).toEqual(['x1', 'x2']);
    },
  );

  test('while a leaving member has an unread answer for a key, no member gets later events of that key', async () => {
    const store = await makeStore();
    const [leaving, staying] = [await Member.join(store, 'a.1'), await Member.join(store, 'b.1')];
    await add(store, 'k', 'first');
    const first = await leaving.read();
    await add(store, 'k', 'second');
    const onItsWay = await leaving.read();
    await add(store, 'k', 'third');
    expect(eventsOf(await staying.read())).toEqual([]);
    await leaving.giveBack(first);
    expect(eventsOf(await staying.read())).toEqual([]);
    await leaving.giveBack(onItsWay);
    expect(eventsOf(await staying.read())).toEqual(['first', 'second', 'third']);
  });

  test('released events of a key that the member still handles go to other members when its handler ends', async () => {
    const store = await makeStore();
    const [leaving, staying] = [await Member.join(store, 'a.1'), await Member.join(store, 'b.1')];
    await add(store, 'k', 'handled');
    const handled = await leaving.read();
    await add(store, 'k', 'too late');
    await leaving.giveBack(await leaving.read());
    expect(eventsOf(await staying.read())).toEqual([]);
    await leaving.acknowledge(handled);
    await leaving.leave();
    expect(eventsOf(await staying.read())).toEqual(['too late']);
  });

  test('a leaving member wakes the others if it has released all events of a key before', async () => {
    const store = await makeStore();
    const leaving = await Member.join(store, 'a.1');
    await Member.join(store, 'b.1');
    await add(store, 'k', 'handled');
    const handled = await leaving.read();
    await add(store, 'k', 'too late');
    await leaving.giveBack(await leaving.read());
    await leaving.acknowledge(handled);
    const before = await wakeUps(store, 'b');
    await leaving.leave();
    expect(await wakeUps(store, 'b')).toBe(before + 1);
  });

  test('a read that passes several events to another member wakes it once', async () => {
    const store = await makeStore();
    const [owner, reader] = [await Member.join(store, 'a.1'), await Member.join(store, 'b.1')];
    await add(store, 'k', 'first');
    await owner.read();
    await add(store, 'k', 'second', 'third', 'fourth');
    await reader.read();
    expect(await wakeUps(store, 'a')).toBe(1);
    expect(eventsOf(await owner.read())).toEqual(['second', 'third', 'fourth']);
  });

  test('settling an event of a key that has moved to another member does not move the key', async () => {
    const store = await makeStore();
    const [silent, heir] = [await Member.join(store, 'a.1'), await Member.join(store, 'b.1')];
    await add(store, 'k', 'first');
    const first = await silent.read();
    await silent.leave();
    expect(eventsOf(await heir.read())).toEqual(['first']);
    await silent.acknowledge(first);
    await add(store, 'k', 'second');
    const third = await Member.join(store, 'c.1');
    expect(eventsOf(await third.read())).toEqual([]);
    expect(eventsOf(await heir.read())).toEqual(['second']);
  });

  test('new events of a key whose owner has left go to the member that reads them, after the events that the owner left', async () => {
    const store = await makeStore();
    const [gone, heir] = [await Member.join(store, 'a.1'), await Member.join(store, 'b.1')];
    await add(store, 'k', 'first');
    await gone.read();
    await store.run((client) => client.hdel(`${store.keys.stream(topic)}:members:${group}`, 'a.1'));
    await add(store, 'k', 'second');
    expect(await heir.readNewFirst()).toEqual(['first', 'second']);
  });

  test('an empty key of a foreign producer counts as no key, and a key of arbitrary bytes is settled like any other', async () => {
    const store = await makeStore();
    const member = await Member.join(store, 'a.1');
    const stream = store.keys.stream(topic);
    await add(store, '', 'empty');
    await store.run((client) =>
      client.xadd(stream, '*', 'event', 'bytes', 'key', Buffer.from([0xff, 0xfe, 0x41])),
    );
    const entries = await member.read();
    expect(await owners(store)).toBe(1);
    await member.acknowledge(entries);
    expect(await owners(store)).toBe(0);
  });

  test('the count of a key is corrected after an entry was deleted by hand', async () => {
    const store = await makeStore();
    const [owner, reader] = [await Member.join(store, 'a.1'), await Member.join(store, 'b.1')];
    await add(store, 'k', 'first');
    const first = await owner.read();
    await add(store, 'k', 'deleted');
    await reader.read();
    const [last] = await store.run((client) =>
      client.xrevrange(store.keys.stream(topic), '+', '-', 'COUNT', 1),
    );
    await store.run((client) => client.xdel(store.keys.stream(topic), last![0]));
    await owner.read();
    await owner.acknowledge(first);
    await removeDeadConsumers(store, topic, group);
    expect(await owners(store)).toBe(0);
  });

  test('an event that was passed to a member is not skipped because of newer entries that another member left', async () => {
    const store = await makeStore();
    const [member, other] = [await Member.join(store, 'a.1'), await Member.join(store, 'b.1')];
    await add(store, 'k', 'had');
    await member.read();
    await add(store, 'k', 'passed on');
    await add(store, 'l', 'left behind');
    await other.giveBack(await other.read());
    expect(eventsOf(await member.read(1))).toEqual(['left behind']);
    expect(eventsOf(await member.read(1))).toEqual(['passed on']);
  });

  test('a read that prefers new events first returns passed events of the same keys', async () => {
    const store = await makeStore();
    const [owner, reader] = [await Member.join(store, 'a.1'), await Member.join(store, 'b.1')];
    await add(store, 'k', 'first');
    expect(await owner.readNewFirst()).toEqual(['first']);
    await add(store, 'k', 'second');
    expect(await reader.readNewFirst()).toEqual([]);
    await add(store, 'k', 'third');
    expect(await owner.readNewFirst()).toEqual(['second', 'third']);
    await add(store, 'k', 'fourth');
    expect(await owner.readNewFirst()).toEqual(['fourth']);
  });

  test('a read that prefers new events first returns events of the same keys that a member left', async () => {
    const store = await makeStore();
    const [leaving, staying] = [await Member.join(store, 'a.1'), await Member.join(store, 'b.1')];
    await add(store, 'k', 'first', 'second');
    await leaving.giveBack(await leaving.read());
    await add(store, 'k', 'third');
    expect(await staying.readNewFirst()).toEqual(['first', 'second', 'third']);
    await add(store, 'k', 'fourth');
    expect(await leaving.readNewFirst()).toEqual([]);
    expect(await staying.readNewFirst()).toEqual(['fourth']);
  });

  test('a read that prefers new events leaves other events to the next read', async () => {
    const store = await makeStore();
    const [owner, reader] = [await Member.join(store, 'a.1'), await Member.join(store, 'b.1')];
    await add(store, 'k', 'first');
    await owner.readNewFirst();
    await add(store, 'k', 'passed on');
    await reader.readNewFirst();
    await store.run((client) => client.xadd(store.keys.stream(topic), '*', 'event', 'no key'));
    await add(store, 'l', 'another key');
    expect(await owner.readNewFirst(1)).toEqual(['no key']);
    expect(await owner.readNewFirst(1)).toEqual(['another key']);
    expect(await owner.readNewFirst()).toEqual(['passed on']);
  });
});
