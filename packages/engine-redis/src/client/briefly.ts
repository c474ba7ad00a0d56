/** How long a blocking reader waits for members that read, before it watches their other topics meanwhile. Milliseconds. */
const courtesyMs = 5;

/** Resolves when the reads are over, or have taken longer than the others are to wait. */
export async function briefly(reads: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, courtesyMs)));
  await Promise.race([reads, patience]);
  clearTimeout(timer);
}
