import { throwLater } from '../core/async/throw-later.ts'

/** Calls back. What a handler of the caller's throws must not keep others from being called: it is thrown on its own. */
export function notify(callback: () => void): void {
  try {
    callback()
  } catch (error) {
    throwLater(error)
  }
}
