import { sleep, type Clock } from '../../../src/core/clock.ts'
import { manualClock } from '../../../src/testing/fakes/manual-clock.ts'
import type { Registration, RegistrationState } from '../../../src/ecs/registration/registration.ts'

interface Script {
  readonly ttlMs: number | undefined
  /** How long deregistration takes, in ms [0]. */
  readonly deregisterMs?: number
  /** What counts it [one that stands still]. */
  readonly clock?: Clock
  /** [`registered`] */
  readonly state?: RegistrationState
}

/** A registration without Cloud Map. */
export function scriptedRegistration({
  ttlMs,
  deregisterMs = 0,
  clock = manualClock(),
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
      if (deregisterMs > 0) await sleep(clock, deregisterMs)
      return 'done'
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
}
