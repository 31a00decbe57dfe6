/** Node's own: the global one may be a test runner's fake, which would never run. */
const { setImmediate } = process.getBuiltinModule('node:timers')

/** Node's timers take 1 ms for more. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/**
 * Calls after a time. It keeps no process alive: the socket, or discovery, that is waited for does.
 * A process that was busy has first read what has arrived meanwhile.
 * @returns cancels it: what it would call is held until then, or until the time is over
 */
export function afterMs(limitMs: number, call: () => void): () => void {
  const signal = AbortSignal.timeout(Math.min(Math.ceil(limitMs), MAX_TIMEOUT_MS))
  let isCancelled = false
  const over = (): void =>
    void setImmediate(() => {
      if (!isCancelled) call()
    })
  signal.addEventListener('abort', over)
  return () => {
    isCancelled = true
    signal.removeEventListener('abort', over)
  }
}

const timeouts = new WeakSet<Error>()

/** As Node's own for a host that does not answer. */
export function connectTimeout(address: string, port: number | undefined, limitMs: number): Error {
  const place = port === undefined ? address : `${address}:${port}`
  const message = `connect ETIMEDOUT ${place}: no connection in ${limitMs} ms`
  const error = Object.assign(new Error(message), { code: 'ETIMEDOUT', syscall: 'connect', address, port })
  timeouts.add(error)
  return error
}

/** Whether the error says that a limit of this process was exceeded. */
export function isConnectTimeout(error: Error): boolean {
  return timeouts.has(error)
}
