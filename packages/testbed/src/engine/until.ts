import { waitFor } from '../wait.ts';

/** Waits until a condition holds. After 90 seconds it fails with `what`, the description of the condition. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  await waitFor(what, condition, { timeoutMs: 90_000, intervalMs: 10 });
}
