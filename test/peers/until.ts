import { setTimeout as delay } from 'node:timers/promises'

/** Many times what it takes on an idle machine. */
const WITHIN_MS = 40_000
const POLL_MS = 20

/**
 * Looks again and again until it is so. Unlike `expect.poll`, what `look` throws is a failure at once: a call that
 * failed, or went to the wrong task, would be polled away there.
 */
export async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  const last = performance.now() + WITHIN_MS
  while (!(await look())) {
    if (performance.now() > last) throw new Error(`after ${WITHIN_MS} ms it was still not so: ${what}`)
    await delay(POLL_MS)
  }
}
