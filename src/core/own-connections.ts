/** Of this process: two copies of this package, as of an agent and of the application, know each other's connections. */
const OWN = Symbol.for('onehop.connection')

/** Marks what an undici connection of onehop came to, its socket or its error: undici reports those of all dispatchers alike. */
export function markOwn(result: unknown): void {
  // A connector of the user's may pass anything.
  if (typeof result !== 'object' || result === null) return
  // Not enumerable: printed errors do not show it. What is frozen stays unmarked.
  Reflect.defineProperty(result, OWN, { value: true })
}

/** Whether a socket, or an error of connecting, is of a connection of onehop. */
export function isOwn(result: object): boolean {
  return Reflect.get(result, OWN) === true
}
