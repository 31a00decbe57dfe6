import { setImmediate as afterIo, setTimeout as delay } from 'node:timers/promises'

const TURNS = 20

/**
 * Resolves when both ends, which are in this process, have read what was sent before. It counts turns of the event loop, each
 * of which reads what is there: a timer alone may fire before them in a process that was busy.
 */
export async function delivered(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) {
    await delay(1)
    await afterIo()
  }
}
