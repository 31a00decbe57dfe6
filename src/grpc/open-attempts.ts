/** An attempt that is sent and not over. */
export interface OpenAttempt {
  /** Ends it with the error of the client. */
  cut(error: Error): void
}

/** One listener for all attempts of an origin: a signal looks through all that it has at each change. */
const bySignal = new WeakMap<AbortSignal, Set<OpenAttempt>>()

/** The attempts of an origin that are sent and not over. They are cut when the client is destroyed. */
export function attemptsUntil(destroyed: AbortSignal): Set<OpenAttempt> {
  const known = bySignal.get(destroyed)
  if (known !== undefined) return known
  const attempts = new Set<OpenAttempt>()
  bySignal.set(destroyed, attempts)
  destroyed.addEventListener('abort', () => {
    for (const attempt of attempts) attempt.cut(destroyed.reason as Error)
  })
  return attempts
}
