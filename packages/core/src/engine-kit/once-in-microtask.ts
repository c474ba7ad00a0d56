/** Returns a function that makes the callback run once in a microtask, however often the function is called until then. */
export function onceInMicrotask(callback: () => void): () => void {
  let isPlanned = false;
  const run = (): void => {
    isPlanned = false;
    callback();
  };
  return () => {
    if (isPlanned) return;
    isPlanned = true;
    queueMicrotask(run);
  };
}
