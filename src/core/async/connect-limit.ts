import { nextTick, setLimit, systemClock, type Timer } from '../clock.ts'
import type { Outcome } from '../outcome.ts'

/**
 * Calls after a time. It keeps no process alive: the socket, or discovery, that is waited for does.
 * A process that was busy has first read what has arrived meanwhile.
 *
 * The time begins in the next tick, as connecting does for sockets of Node. What this process computes until then does not
 * count.
 * @returns cancels it: what it would call is held until then, or until the time is over
 */
export function afterMs(limitMs: number, call: () => void): () => void {
  let isCancelled = false
  let timer: Timer | undefined
  nextTick(() => {
    if (!isCancelled) timer = setLimit(systemClock, limitMs, call)
  })
  return () => {
    isCancelled = true
    timer?.cancel()
  }
}

/** Share of its limit from which an abort while connecting counts as a connect timeout. */
const MIN_CONNECT_RATIO = 0.5

/**
 * Whether connecting has taken so long that the upstream is to blame for an abort. Within a VPC, TCP takes a millisecond or
 * two; without this, callers that wait less than the limit never eject a task that is gone.
 */
export function isLongConnect(connectingMs: number, limitMs: number): boolean {
  return connectingMs >= MIN_CONNECT_RATIO * limitMs
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

/** For a connection that its caller gave up: the error that it amounts to, if it had taken long. */
export function abortedConnect(
  address: string,
  port: number | undefined,
  tookMs: number,
  limitMs: number,
): Error | undefined {
  return isLongConnect(tookMs, limitMs) ? connectTimeout(address, port, Math.round(tookMs)) : undefined
}

/** Whether the error says that a limit of this process was exceeded. */
export function isConnectTimeout(error: Error): boolean {
  return timeouts.has(error)
}

/** The outcome of an attempt whose connection could not be made. */
export function connectFailure(error: Error, latencyMs: number): Outcome {
  if (!isConnectTimeout(error)) return { kind: 'connect-error', error }
  return { kind: 'timeout', phase: 'connect', latencyMs, error }
}
