/** Keeps this process busy, as a long computation does. */
export function compute(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
