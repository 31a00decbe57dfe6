import { setLimit, type Clock } from '../clock.ts'

/** Whether it settles within the time; it goes on if it does not. */
export async function settlesWithin(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setLimit(clock, ms, () => resolve(false))
  const onSettled = (): void => resolve(true)
  work.then(onSettled, onSettled)
  return promise.finally(() => timer.cancel())
}
