import assert from 'node:assert/strict';
import { PolybusError } from '@polybus/core';

/**
 * Checks that a call returns a promise that rejects with an error of polybus: by code, since the engine may have another
 * copy of core. A call that throws instead of rejecting fails: a caller with `.catch` would not see it.
 *
 * @param mentions - What the message must contain.
 */
export async function rejectsWith(
  call: () => PromiseLike<unknown>,
  code: string,
  ...mentions: string[]
): Promise<PolybusError> {
  const error = await rejection(call, code);
  assert.ok(PolybusError.is(error), `expected a PolybusError with code ${code}, got ${String(error)}`);
  assert.equal(error.code, code, `expected code ${code}, got ${error.code}: ${error.message}`);
  assert.ok(error.message.length > 20, `the message says too little: ${error.message}`);
  for (const text of mentions)
    assert.ok(error.message.includes(text), `no "${text}" in the message: ${error.message}`);
  return error;
}

/** What the call's promise rejects with. */
export async function rejection(call: () => PromiseLike<unknown>, expected: string): Promise<unknown> {
  let promise: PromiseLike<unknown>;
  try {
    promise = call();
  } catch (error) {
    throw new assert.AssertionError({
      message: `threw at the caller instead of rejecting: ${String(error)}`,
    });
  }
  const outcome = await Promise.resolve(promise).then(
    () => 'resolved' as const,
    (error: unknown) => ({ error }),
  );
  assert.notEqual(outcome, 'resolved', `resolved, but should have rejected with ${expected}`);
  return (outcome as { error: unknown }).error;
}
