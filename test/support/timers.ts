import { setImmediate } from 'node:timers'

/**
 * Resolves after a time, once sockets have been read, as limits of the library do. On a busy machine all timers of a process are
 * late, but they keep their order: what happens between two of these is not before the first and not after the second.
 */
export function dueIn(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(() => setImmediate(resolve), ms)
  })
}
