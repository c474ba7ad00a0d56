/** `claimed`: the caller has the claim. `handled`: a handler has succeeded. `busy`: another attempt has a claim that has not expired. */
export type ClaimResult = 'claimed' | 'handled' | 'busy';

/**
 * Remembers which events were handled. Its methods must be atomic between the processes that share it. `owner` is a new random text for
 * each attempt of a handler. A call that a client sends twice, because it got no answer, must have the effect of one call.
 */
export interface DedupeStore {
  /**
   * Claims an event for one attempt, unless a handler has succeeded or another attempt has a claim.
   *
   * @param claimMs - The claim expires after so many milliseconds, so that a process that dies does not hold it forever.
   */
  claim(key: string, owner: string, claimMs: number): Promise<ClaimResult>;
  /** Lets a claim expire `claimMs` milliseconds from now, unless another attempt has it or a handler has succeeded. */
  extend(key: string, owner: string, claimMs: number): Promise<void>;
  /** Remembers for `ttlMs` milliseconds that a handler has succeeded, even if the claim has expired or another attempt has it. */
  complete(key: string, owner: string, ttlMs: number): Promise<void>;
  /** Ends the claim of an attempt that has failed, so that the next attempt gets it. */
  release(key: string, owner: string): Promise<void>;
}
