import { setTimeout as delay } from 'node:timers/promises'

/** Many times what it takes on an idle machine. */
const WITHIN_MS = 40_000
const POLL_MS = 10

/**
 * Looks again and again until what it sees is so, and returns it. Unlike `expect.poll`, what `look` throws is a failure at once:
 * a call that failed, or went to the wrong task, would be polled away there.
 * @throws Error with what it saw last
 */
export async function eventually<Seen>(
  look: () => Seen | Promise<Seen>,
  isSo: (seen: Seen) => boolean,
  what: string = String(look),
): Promise<Seen> {
  const last = performance.now() + WITHIN_MS
  for (;;) {
    const seen = await look()
    if (isSo(seen)) return seen
    if (performance.now() > last)
      throw new Error(`after ${WITHIN_MS} ms it was still not so: ${what}; ${JSON.stringify(seen)}`)
    await delay(POLL_MS)
  }
}

/** As {@link eventually}, for a condition. */
export async function until(look: () => boolean | Promise<boolean>, what?: string): Promise<void> {
  await eventually(look, Boolean, what)
}
