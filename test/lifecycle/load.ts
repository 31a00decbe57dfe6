import { setTimeout as delay } from 'node:timers/promises'
import type { Caller } from './clients/clients.ts'

/** What became of the calls of one client. */
export interface Tally {
  succeeded: number
  /** By error message. */
  readonly failures: Map<string, number>
}

export function failedOf({ failures }: Tally): number {
  return [...failures.values()].reduce((sum, count) => sum + count, 0)
}

/** Callers of one client at a time. */
const WORKERS = 8
/** Between an answer and the next call of a worker at most, in ms: some connections are idle when the task leaves. */
const MAX_PAUSE_MS = 12

/**
 * POSTs of one client until `isOver` says so and there have been enough. Each worker waits for its answer: the pace
 * follows the machine.
 */
export async function postUntil(caller: Caller, atLeast: number, isOver: () => boolean): Promise<Tally> {
  const tally: Tally = { succeeded: 0, failures: new Map() }
  let begun = 0
  const worker = async (): Promise<void> => {
    while (!isOver() || begun < atLeast) {
      begun++
      await delay(Math.random() * MAX_PAUSE_MS)
      try {
        const status = await caller.post('/orders')
        if (status < 200 || status > 299) throw new Error(`status ${status}`)
        tally.succeeded++
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException
        const name = code === undefined || message.includes(code) ? message : `${code} ${message}`
        tally.failures.set(name, (tally.failures.get(name) ?? 0) + 1)
      }
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
  return tally
}
