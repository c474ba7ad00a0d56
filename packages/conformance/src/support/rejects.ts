import assert from 'node:assert/strict';
import { PolybusError } from '@polybus/core';

/**
 * Asserts that a call returns a promise that rejects with a `PolybusError` of this code. It compares codes, not classes,
 * because the engine may use another copy of core. A call that throws synchronously fails, because `.catch` would miss the error.
 *
 * @param mentions - Texts that the message must contain.
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

/** Returns the error that the promise of the call rejects with. */
export async function rejection(call: () => PromiseLike<unknown>, expected: string): Promise<unknown> {
  let promise: PromiseLike<unknown>;
  try {
    promise = call();
  } catch (error) {
    throw new assert.AssertionError({
      message: `threw synchronously instead of rejecting: ${String(error)}`,
    });
  }
  const outcome = await Promise.resolve(promise).then(
    () => 'resolved' as const,
    (error: unknown) => ({ error }),
  );
  assert.notEqual(outcome, 'resolved', `resolved, but should have rejected with ${expected}`);
  return (outcome as { error: unknown }).error;
}
