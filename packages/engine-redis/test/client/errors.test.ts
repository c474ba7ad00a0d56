import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { isForbidden, publishError } from '../../src/errors.ts';

// The server of the tests may be too old to say it.
test.each([
  "NOPERM User alice has no permissions to run the 'xadd' command",
  "ERR ACL failure in script: User alice has no permissions to access the 'orders' key script: 1, on @user_script:1.",
])('an error that names the user loses the name, and says what to check: %s', (message) => {
  const error = publishError(Object.assign(new Error(message), { name: 'ReplyError' }), 'orders', 'redis');
  expect(inspect(error, { depth: null, showHidden: true })).not.toContain('alice');
  expect(error.message).toMatch(/the user has no permissions.*Check the user/);
});

test.each([
  "NOPERM this user has no permissions to run the 'zadd' command",
  "ERR ACL failure in script: User alice has no permissions to run the 'zadd' command script: 1, on @user_script:1.",
  "ERR Error running script (call to f_1): @user_script:1: @user_script: 1: The user executing the script can't run this command or subcommand",
])('a missing permission is recognized, whatever the version of the server calls it: %s', (message) => {
  expect(isForbidden(new Error(message))).toBe(true);
});

test('a reason that ends with a full stop is followed by one', () => {
  const error = publishError(new Error('Connection is closed.'), 'orders', 'redis');
  expect(error.message).toMatch(/Connection is closed\. \w/);
});
