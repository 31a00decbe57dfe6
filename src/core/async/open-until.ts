/** What is under way on a lease, and ends with its client. */
export interface Open {
  /** Ends it with the error of the client. */
  cut(error: Error): void
}

/** One listener for all that is open: a signal looks through all that it has at each change. */
const bySignal = new WeakMap<AbortSignal, Set<Open>>()

/** What is open and is cut when `destroyed` aborts: `signal` of its leases, which is one for all of an origin. */
export function openUntil(destroyed: AbortSignal): Set<Open> {
  const known = bySignal.get(destroyed)
  if (known !== undefined) return known
  const open = new Set<Open>()
  bySignal.set(destroyed, open)
  destroyed.addEventListener('abort', () => {
    for (const one of open) one.cut(destroyed.reason as Error)
  })
  return open
}
