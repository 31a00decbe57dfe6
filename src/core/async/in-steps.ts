import type { Clock, Timer } from '../clock.ts'

/** Time limits are counted in steps of it. */
const STEP_MS = 100

/**
 * A clock whose timers do not count this process's own lateness: a step that ends late, because a callback computed,
 * counts as one step. What has arrived meanwhile is read before they call back.
 */
export function inSteps(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    afterIo: (callback) => clock.afterIo(callback),
    setTimer(callback, delayMs, awaited) {
      let leftMs = delayMs
      const step = (): Timer => {
        const stepMs = Math.min(leftMs, STEP_MS)
        const ended = (): void => {
          leftMs -= stepMs
          if (leftMs > 0) timer = step()
          else clock.afterIo(callback)
        }
        return clock.setTimer(ended, stepMs, awaited)
      }
      let timer = step()
      return { cancel: () => timer.cancel() }
    },
  }
}
