import { setTimeout as delay } from 'node:timers/promises'
import type { Registration, RegistrationState } from '../../../src/ecs/registration/registration.ts'

interface Script {
  readonly ttlMs: number | undefined
  /** How long deregistration takes, in ms [0]. */
  readonly deregisterMs?: number
  /** [`registered`] */
  readonly state?: RegistrationState
}

/** A registration without Cloud Map. */
export function scriptedRegistration({
  ttlMs,
  deregisterMs = 0,
  state = 'registered',
}: Script): Registration & { readonly calls: readonly unknown[] } {
  const calls: unknown[] = []
  return {
    calls,
    state,
    registered: Promise.resolve(),
    error: undefined,
    inspect: () => ({ state, ready: true, notReady: undefined, instances: [] }),
    instances: [{ service: 'srv-1', id: 'task-1', address: '10.0.11.42', port: 8080, ttlMs }],
    setHealthy: async () => undefined,
    async deregister(options) {
      calls.push(options)
      await delay(deregisterMs, undefined, { ref: false })
      return 'done'
    },
    async [Symbol.asyncDispose]() {
      await delay(0)
    },
  }
}
