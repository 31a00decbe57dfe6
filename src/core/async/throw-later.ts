/** What a handler of the caller's throws must not keep others from being called: it is thrown on its own. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
