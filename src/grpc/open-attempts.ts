import type { Attempt } from './attempt.ts'

/** One listener for all attempts of an origin: a signal looks through all that it has at each change. */
const bySignal = new WeakMap<AbortSignal, Set<Attempt>>()

/** The attempts that are sent and not over. They are cut when the client is destroyed. */
export function attemptsUntil(destroyed: AbortSignal): Set<Attempt> {
  const known = bySignal.get(destroyed)
  if (known !== undefined) return known
  const attempts = new Set<Attempt>()
  bySignal.set(destroyed, attempts)
  destroyed.addEventListener('abort', () => {
    for (const attempt of attempts) attempt.cut(destroyed.reason as Error)
  })
  return attempts
}
