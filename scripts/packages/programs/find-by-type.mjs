// usage: find-by-type.mjs INSTALLED,… MISSING=PACKAGE,…
// Checks that an installed engine is found by its type and refuses a mistake in its configuration, and that the error for a missing
// engine names its package.
import assert from 'node:assert/strict';
import { createEventBus } from '@polybus/core';

const [installed, missing] = process.argv.slice(2).map((list) => list.split(',').filter(Boolean));
const startOf = (type) => {
  const bus = createEventBus({ engines: [{ name: 'events', type, config: { nonsense: true } }] });
  return bus.start();
};

for (const type of installed) {
  await assert.rejects(startOf(type), (error) => {
    assert.equal(error.code, 'INVALID_CONFIG', error.stack);
    assert.match(error.message, /engines\[0\]\.config\.nonsense/);
    return true;
  });
}
for (const pair of missing) {
  const [type, name] = pair.split('=');
  await assert.rejects(startOf(type), (error) => {
    assert.equal(error.code, 'UNKNOWN_ENGINE_TYPE', error.stack);
    assert.match(
      error.message,
      new RegExp(`^The engine "${type}" is not installed: .* npm install ${name}\\. `),
    );
    assert.ok(error.message.includes(`from ${process.cwd()}`), error.message);
    return true;
  });
}
