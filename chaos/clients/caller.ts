import { request, type Dispatcher } from 'undici'
import type { Stage } from '../stage.ts'
import type { Kind } from '../tally.ts'

/** One way to call a service. */
export interface Caller extends AsyncDisposable {
  /** @returns the status, once the body has been read */
  call(kind: Kind, signal: AbortSignal): Promise<number>
}

/** How a caller is made for one of the services on a stage. */
export interface Client {
  readonly name: string
  /** Whether its attempts are those of undici in this process. */
  readonly countsAttempts: boolean
  start(stage: Stage, host: string): Promise<Caller>
}

const BODY = JSON.stringify({ items: ['shoes'], note: 'x'.repeat(200) })

/** Calls `origin` through a dispatcher, and closes what it is given. */
export function callerThrough(
  dispatcher: Dispatcher,
  origin: string,
  path: string,
  close: () => Promise<void> = () => dispatcher.destroy(),
): Caller {
  let calls = 0
  return {
    async call(kind, signal) {
      const { statusCode, body } = await request(`${origin}${path}`, {
        dispatcher,
        signal,
        method: kind === 'GET' ? 'GET' : 'POST',
        ...(kind === 'GET' ? {} : { body: BODY }),
        ...(kind === 'POST+key' ? { headers: { 'idempotency-key': `order-${++calls}` } } : {}),
      })
      try {
        await body.text()
      } catch (error) {
        throw new Error('the answer broke off', { cause: error })
      }
      return statusCode
    },
    [Symbol.asyncDispose]: close,
  }
}
