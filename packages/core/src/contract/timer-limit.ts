/** The longest delay of a timer, in milliseconds, about 24.8 days. With a longer delay it fires at once. */
export const longestTimerMs: number = 2 ** 31 - 1;
