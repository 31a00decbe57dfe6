/** Failures that no code of the program asks for: a warning of the process shows them on stderr. */
import type { Registration } from './registration.ts'

/** Of each registration of `register()`, the promise behind `registered`, whose getter notes that it was read. */
export const outcomes: WeakMap<Registration, Promise<void>> = new WeakMap()

/** `registered`, for code that waits for it and leaves its failure to others. */
export function outcomeOf(registration: Registration): Promise<void> {
  return outcomes.get(registration) ?? Promise.resolve(registration.registered)
}

/** Without the code in the message: Node writes it before each warning. */
export function warn(error: Error, consequence = ''): void {
  const message = error.message.replace(/^\[\w+\] /, '') + consequence
  process.emitWarning(message, { code: 'ONEHOP_REGISTRATION_FAILED' })
}
