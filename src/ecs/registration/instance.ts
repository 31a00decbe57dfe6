import { settlesWithin } from '../../core/async/settles-within.ts'
import { spread } from '../../core/async/jitter.ts'
import { reasonOf } from '../../core/errors.ts'
import { emit } from '../../core/events.ts'
import { ServiceCalls } from './cloud-map/calls.ts'
import { Entry, type Shared } from './cloud-map/entry.ts'
import { IPV4, IPV6 } from './cloud-map/limits.ts'
import { reportLost } from './cloud-map/look.ts'
import { cancelled, RegistrationError, warn } from './errors.ts'
import type { Identity } from './identity.ts'
import type { ServiceSettings } from './options/options.ts'
import type {
  DeregistrationResult,
  InstanceInspection,
  RegisteredInstance,
  RegistrationState,
} from './registration.ts'

const VERIFY_JITTER_RATIO = 0.1
/** After a change of health that Cloud Map did not take. */
const HEALTH_AGAIN_MS = 5_000

/**
 * One instance in one service: registered, kept registered, deregistered.
 *
 * One loop does one thing after another, so that Cloud Map never has two operations of ours on one instance. It ends with
 * `deregister()`: waits and reads end at once, nothing new begins, and what was sent is awaited and taken back.
 */
export class ServiceInstance {
  readonly #settings: ServiceSettings
  readonly #shared: Shared
  readonly #stopping = new AbortController()
  #state: RegistrationState = 'waiting'
  #entry: Entry | undefined
  #verifiedAt: number | undefined
  #wanted = { healthy: true, reason: 'ready' }
  /** As Cloud Map knows it; undefined: an earlier run of this container may have left another. */
  #reported: boolean | undefined = true
  /** Ends the pause of the loop. */
  #ring: (() => void) | undefined
  #healthWaiters: (() => void)[] = []
  #lastError: Error | undefined
  /** Why it is `failed`. */
  #failure: RegistrationError | undefined

  constructor(settings: ServiceSettings, shared: Shared) {
    this.#settings = settings
    this.#shared = shared
  }

  get state(): RegistrationState {
    return this.#state
  }

  /** Why it is `failed`. */
  get error(): RegistrationError | undefined {
    return this.#failure
  }

  /** undefined until address and port are known. */
  get registered(): RegisteredInstance | undefined {
    if (this.#entry === undefined) return undefined
    const { identity, attributes, facts } = this.#entry
    const { id, place, port } = identity
    const address = attributes?.[IPV4] ?? attributes?.[IPV6] ?? place.ipv4 ?? place.ipv6 ?? ''
    return { service: this.#settings.service, id, address, port, ttlMs: facts?.ttlMs }
  }

  inspect(): InstanceInspection {
    const now = this.#shared.clock.now()
    const since = (at: number | undefined): number | undefined =>
      at === undefined ? undefined : Math.round(now - at)
    const { identity, facts, attributes, registeredAt } = this.#entry ?? {}
    return {
      service: this.#settings.service,
      serviceId: facts?.id,
      id: identity?.id,
      state: this.#state,
      attributes,
      ttlMs: facts?.ttlMs,
      customHealth: facts?.customHealth,
      healthy: this.#wanted.healthy,
      requestedMsAgo: since(registeredAt),
      verifiedMsAgo: since(this.#verifiedAt),
      lastError: this.#lastError === undefined ? undefined : reasonOf(this.#lastError),
    }
  }

  /**
   * Registers, once, then watches until `deregister()`.
   * @throws RegistrationError, or the reason why it ended
   */
  async start(identity: Identity): Promise<void> {
    const { signal } = this.#stopping
    signal.throwIfAborted()
    const { transport, clock, random } = this.#shared
    const calls = new ServiceCalls(this.#settings.service, {
      ...{ transport, clock, random, signal, id: identity.id },
      onRetry: (error) => void (this.#lastError = error),
    })
    const entry = new Entry(identity, this.#settings, this.#shared, calls)
    this.#entry = entry
    try {
      await this.#enter(entry, true)
    } catch (error) {
      if (!signal.aborted) this.fail(error as RegistrationError)
      throw error
    }
    void this.#stay(entry)
  }

  /** Gives up. */
  fail(error: RegistrationError): void {
    if (this.#stopping.signal.aborted) return
    this.#lastError = error
    this.#failure = error
    this.#become('failed', error)
    this.#release()
  }

  /** Resolves when Cloud Map has taken it, or the instance is on its way out. */
  setHealthy(healthy: boolean, reason: string): Promise<void> {
    this.#wanted = { healthy, reason }
    const isOver = this.#state === 'failed' || this.#stopping.signal.aborted
    // Otherwise another health may be on its way to Cloud Map.
    const isTaken = healthy === this.#reported && this.#ring !== undefined
    if (isTaken) this.#release()
    if (isTaken || isOver || this.#entry === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      this.#healthWaiters.push(resolve)
      this.#ring?.()
    })
  }

  /** Called once; never rejects. */
  async deregister(withinMs: number): Promise<DeregistrationResult> {
    const deadlineAt = this.#shared.clock.now() + withinMs
    const entry = this.#entry
    this.#stopping.abort(cancelled(this.#settings.service))
    this.#release()
    this.#ring?.()
    if (entry?.mayBeThere !== true) {
      if (this.#state !== 'failed') this.#become('gone')
      return 'done'
    }
    this.#become('deregistering')
    try {
      const result = await entry.leave(deadlineAt)
      this.#become('gone')
      return result
    } catch (cause) {
      const error = cause as RegistrationError
      this.#lastError = error
      this.#failure ??= error
      const { identity, attributes = {} } = entry
      reportLost(this.#settings.service, { id: identity.id, attributes }, error)
      warn(error, `, so instance ${identity.id} is left in Cloud Map`)
      this.#become('failed', error)
      return 'failed'
    }
  }

  async #enter(entry: Entry, isFirst: boolean): Promise<void> {
    this.#become('registering', this.#lastError)
    const wasThere = await entry.enter(isFirst)
    this.#lastError = undefined
    // Missing, the health of a new instance counts as healthy.
    this.#reported = wasThere && entry.facts?.customHealth === true ? undefined : true
    this.#become('registered')
  }

  async #stay(entry: Entry): Promise<void> {
    const { random, verifyMs } = this.#shared
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        if (this.#wanted.healthy !== this.#reported) {
          await this.#applyHealth(entry)
          continue
        }
        // Also those whose health was taken back before Cloud Map was asked.
        this.#release()
        const isDue = await this.#pause(spread(verifyMs, VERIFY_JITTER_RATIO, random))
        if (isDue && !signal.aborted) await this.#verify(entry)
      } catch (error) {
        if (signal.aborted) return
        this.#lastError = error as Error
        if (error instanceof RegistrationError && error.failure === 'conflict') {
          // `registered` has resolved long ago.
          warn(error)
          return this.fail(error)
        }
        if (this.#wanted.healthy !== this.#reported) await this.#pause(HEALTH_AGAIN_MS)
      }
    }
  }

  async #verify(entry: Entry): Promise<void> {
    // Taken out on purpose, as the service has no custom health.
    if (!entry.mayBeThere && this.#state === 'unhealthy') return
    // The last look found it evicted, and it could not be registered.
    if (this.#state === 'registering') return this.#enter(entry, false)
    const reason = await entry.evictedBy()
    this.#verifiedAt = this.#shared.clock.now()
    if (reason === undefined) return
    const { service } = this.#settings
    const { id } = entry.identity
    emit('onehop:registration.evicted', () => ({ service, id, reason }))
    this.#lastError = new Error(reason)
    await this.#enter(entry, false)
  }

  async #applyHealth(entry: Entry): Promise<void> {
    const { healthy, reason } = this.#wanted
    if (this.#state === 'registering') await this.#enter(entry, false)
    const isDone = await entry.setCustomHealth(healthy)
    if (!isDone && !healthy && entry.mayBeThere) await entry.takeOut()
    if (!isDone && healthy && !entry.mayBeThere) await this.#enter(entry, false)
    const isChange = this.#reported !== undefined && this.#state !== (healthy ? 'registered' : 'unhealthy')
    this.#reported = healthy
    this.#become(healthy ? 'registered' : 'unhealthy')
    const { service } = this.#settings
    if (isChange) emit('onehop:health.changed', () => ({ service, id: entry.identity.id, healthy, reason }))
  }

  /**
   * Until it is over, health is to change, or the instance is to leave.
   * @returns whether it is over
   */
  async #pause(ms: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#ring = resolve
    const hasRung = await settlesWithin(this.#shared.clock, ms, promise)
    this.#ring = undefined
    return !hasRung
  }

  #release(): void {
    for (const resolve of this.#healthWaiters.splice(0)) resolve()
  }

  #become(to: RegistrationState, error?: Error): void {
    const from = this.#state
    if (from === to) return
    this.#state = to
    const { service } = this.#settings
    emit('onehop:registration.changed', () => ({ service, id: this.#entry?.identity.id, from, to, error }))
  }
}
