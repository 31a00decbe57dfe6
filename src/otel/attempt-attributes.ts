import { AsyncLocalStorage } from 'node:async_hooks'
import type { Attributes } from '@opentelemetry/api'
import { tracing, type AttemptTrace } from '../core/tracing.ts'

/** A hook for instrumentations: returns the attributes of the attempt that begins in the current async context. */
export interface AttemptAttributes extends Disposable {
  /** `{ 'http.request.resend_count': 1 }` for a first retry or a hedge; `{}` for first attempts and all other requests. */
  (): Attributes
}

/**
 * Gives the spans of retries and hedges the attribute `http.request.resend_count`. Make one, and give it to the
 * instrumentations; dispose of it only if they are disabled.
 *
 *     const attempts = attemptAttributes()
 *     new UndiciInstrumentation({ startSpanHook: attempts })
 *     new HttpInstrumentation({ startOutgoingSpanHook: attempts })
 */
export function attemptAttributes(): AttemptAttributes {
  const store = new AsyncLocalStorage<AttemptTrace>()
  const { start } = tracing.attempt
  start.bindStore(store)
  const attributes = (): Attributes => {
    const attempt = store.getStore()?.attempt ?? 1
    return attempt > 1 ? { 'http.request.resend_count': attempt - 1 } : {}
  }
  return Object.assign(attributes, {
    [Symbol.dispose](): void {
      start.unbindStore(store)
      store.disable()
    },
  })
}
