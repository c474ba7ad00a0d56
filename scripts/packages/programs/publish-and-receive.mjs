// usage: publish-and-receive.mjs TYPE [CONFIG]
// Publishes and receives an event on an engine that is found by its type. CONFIG is JSON.
import assert from 'node:assert/strict';
import { createEventBus } from '@polybus/core';

const [type, config = '{}'] = process.argv.slice(2);
// Unique topics, because other programs share the broker.
const prefix = `user-${process.pid}`;
const bus = createEventBus({ engines: [{ name: 'events', type, config: JSON.parse(config) }] });
await bus.start();
const seen = new Map();
let end;
const ended = new Promise((resolve) => (end = resolve));
await bus.subscribe(`${prefix}.*`, ({ topic, payload }) => {
  seen.set(topic, payload);
  if (seen.size === 2) end();
});
await bus.publish(`${prefix}.created`, { id: 'u1' });
await bus.publish(`${prefix}.deleted`, { id: 'u2' });
await ended;
assert.deepEqual(Object.fromEntries(seen), {
  [`${prefix}.created`]: { id: 'u1' },
  [`${prefix}.deleted`]: { id: 'u2' },
});
await bus.stop();
