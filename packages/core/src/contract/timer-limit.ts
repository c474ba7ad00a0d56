/** The longest that a timer waits, in milliseconds: it fires at once where it is asked for more. About 24.8 days. */
export const longestTimerMs: number = 2 ** 31 - 1;
