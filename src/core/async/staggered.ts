import type { Clock } from '../clock.ts'

export interface HeadStart {
  readonly clock: Clock
  readonly headStartMs: number
  /** Ends the wait, and both questions: when the caller goes, or the one who asks is closed. */
  readonly signals: readonly AbortSignal[]
}

/**
 * Asks `first`, and `second` beside it as soon as `first` fails or is not done after its head start. Resolves
 * with what is there first, and lets the other end by itself; rejects with the error of `second` when both fail.
 */
export async function withHeadStart<Result>(
  { clock, headStartMs, signals }: HeadStart,
  first: (signal: AbortSignal) => Promise<Result>,
  second: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  for (const signal of signals) signal.throwIfAborted()
  const own = new AbortController()
  const onAbort = (event: Event): void => own.abort((event.target as AbortSignal).reason)
  for (const signal of signals) signal.addEventListener('abort', onAbort, { once: true })
  const isNeeded = Promise.withResolvers<boolean>()
  const timer = clock.setTimer(() => isNeeded.resolve(true), headStartMs)
  const one = first(own.signal)
  void one.then(
    () => isNeeded.resolve(false),
    () => isNeeded.resolve(true),
  )
  const other = isNeeded.promise.then((needed) => {
    own.signal.throwIfAborted()
    if (!needed) throw new Error('not asked: the first has answered')
    return second(own.signal)
  })
  void Promise.allSettled([one, other]).then(() => {
    for (const signal of signals) signal.removeEventListener('abort', onAbort)
    return undefined
  })
  try {
    return await Promise.any([one, other])
  } catch {
    own.signal.throwIfAborted()
    return await other
  } finally {
    timer.cancel()
  }
}
