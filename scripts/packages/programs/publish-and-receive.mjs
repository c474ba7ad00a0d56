// Publishes and receives, on an engine that is found by its type.
import assert from 'node:assert/strict';
import { createEventBus } from '@polybus/core';

const bus = createEventBus({ engines: [{ name: 'events', type: process.argv[2], config: {} }] });
await bus.start();
const seen = [];
let end;
const ended = new Promise((resolve) => (end = resolve));
await bus.subscribe('user.*', ({ topic, payload }) => {
  seen.push([topic, payload]);
  if (seen.length === 2) end();
});
await bus.publish('user.created', { id: 'u1' });
await bus.publish('user.deleted', { id: 'u1' });
await ended;
assert.deepEqual(seen, [
  ['user.created', { id: 'u1' }],
  ['user.deleted', { id: 'u1' }],
]);
await bus.stop();
