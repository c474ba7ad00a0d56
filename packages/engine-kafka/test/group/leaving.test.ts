import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { adminOf, newName, startEngine, until } from '../support.ts';

describeWithBroker('kafka', 'leaving a group', ({ brokers }) => {
  const list = [...brokers];

  test.each(['before the others have joined', 'before it has been heard'])(
    'a member that stops while it joins, %s, leaves the group',
    async (when) => {
      const [topic, group] = [newName(), newName('g')];
      // A session that no test would outlast.
      const config = { brokers: list, numPartitions: 2, sessionTimeoutMs: 600_000, heartbeatIntervalMs: 50 };
      const [staying, leaving] = [await startEngine(config), await startEngine(config)];
      const admin = await adminOf(list);
      const members = async (): Promise<number | undefined> =>
        (await admin.describeGroups([group])).groups[0]?.members.length;
      let begun = 0;
      let open!: () => void;
      const opened = new Promise<void>((resolve) => (open = resolve));
      await staying.subscribe(
        topic,
        async () => {
          begun++;
          await opened;
        },
        { group },
      );
      // The other's join waits for what this one handles.
      await staying.publish({ topic, payload: 0 });
      await until('the handler to run', () => begun === 1);
      const subscribing = leaving.subscribe(topic, () => {}, { group });
      const outcome = subscribing.then(
        () => 'subscribed',
        () => 'refused',
      );
      if (when.startsWith('before the others'))
        await until('both members', async () => (await members()) === 2);
      await leaving.stop();
      expect(await outcome).toBe('refused');
      await until('one member', async () => (await members()) === 1);
      open();
      await staying.publish({ topic, payload: 1 });
      await until('the next event', () => begun === 2);
    },
  );
});
