/**
 * Milliseconds on the monotonic clock of the machine, to the microsecond. All processes of a machine read the same clock, so that
 * entries of several ledgers can be compared. Setting the time of day does not affect it.
 */
export function now(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
