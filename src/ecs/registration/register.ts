/**
 * Registers this process in Cloud Map, and keeps it there.
 *
 * `register()` returns at once, so that a SIGTERM in the middle finds the registration. Then, in order: the place (task
 * metadata), the ports (the servers listen), readiness; and for each instance the life that `instance.ts` describes.
 * What Cloud Map has of an instance, and the requests for it, are in `cloud-map/entry.ts`; the look for orphans and
 * conflicts in `cloud-map/look.ts`; the operations that change it in `cloud-map/enter.ts` and `cloud-map/leave.ts`.
 */
import { inTime } from '../../core/async/with-timeout.ts'
import { checkKeys, checkMs, given } from '../../core/check/check.ts'
import { keepAlive } from '../../core/clock.ts'
import { reasonOf } from '../../core/errors.ts'
import { sdkTransport, type Transport } from './cloud-map/calls.ts'
import type { Shared } from './cloud-map/entry.ts'
import { cancelled, RegistrationError, warn } from './errors.ts'
import { identitiesOf, ownPlace, type Identity } from './identity.ts'
import { ServiceInstance } from './instance.ts'
import { whenListening, type ListeningAt } from './options/listener.ts'
import type { RegisterOptions, RegisterSettings } from './options/options.ts'
import { registerSettings } from './options/read-options.ts'
import { functionCheck, pathCheck } from './readiness/probe.ts'
import { Readiness } from './readiness/readiness.ts'
import type {
  DeregisterOptions,
  DeregistrationResult,
  RegisteredInstance,
  Registration,
  RegistrationInspection,
  RegistrationState,
} from './registration.ts'

/**
 * Registers this process in Cloud Map once it is ready, and keeps it there. Returns at once.
 *
 *     const registration = register({ services: { service: 'srv-…', port: server }, ready: '/health' })
 *
 * The AWS SDK is loaded when it registers. Events: `onehop:registration.*` and `onehop:health.changed`.
 *
 * @throws InvalidOptionsError for options that are unknown or not allowed; all else rejects `registered`
 */
export function register(options: RegisterOptions): Registration {
  const settings = registerSettings(options)
  return new ServiceRegistration(settings, sdkTransport(settings.sdkConfig))
}

/** The first that an instance is in is the state of all. */
const STATES: readonly RegistrationState[] = [
  ...(['failed', 'deregistering', 'waiting', 'registering', 'unhealthy', 'registered', 'gone'] as const),
]
const DEREGISTER_MS = 5_000

/** A registration by settings; `register` has the checks of options, and AWS's transport. */
export class ServiceRegistration implements Registration {
  readonly #settings: RegisterSettings
  readonly #shared: Shared
  readonly #instances: readonly ServiceInstance[]
  readonly #stopping = new AbortController()
  /** Resolves when the process may register for the first time. */
  readonly #firstReady = Promise.withResolvers<void>()
  #readiness: Readiness | undefined
  /** By `setHealthy()`. */
  #override: boolean | undefined
  #leaving: Promise<DeregistrationResult> | undefined
  /** `registered`, for code that waits for it and leaves its failure to others. */
  readonly outcome: Promise<void>
  /** Whether `registered` was read: whatever read it has the failure. */
  #isAwaited = false
  readonly #onAbort = (): void => void this.deregister()

  constructor(settings: RegisterSettings, transport: Transport) {
    const { signal } = settings
    this.#settings = settings
    this.#shared = { ...settings, transport, ownIds: new Set(), claims: new Map() }
    this.#instances = settings.services.map((service) => new ServiceInstance(service, this.#shared))
    // Under way, it keeps the process alive, as a request would.
    const alive = keepAlive(settings.waitingClock)
    this.outcome = this.#run().finally(() => alive.cancel())
    // It need not be awaited.
    this.outcome.catch((error: RegistrationError) => {
      if (!this.#isAwaited && error.failure !== 'cancelled') warn(error)
    })
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (signal?.aborted === true) this.#onAbort()
  }

  get registered(): Promise<void> {
    this.#isAwaited = true
    return this.outcome
  }

  get state(): RegistrationState {
    const states = new Set(this.#instances.map(({ state }) => state))
    return STATES.find((state) => states.has(state)) ?? 'waiting'
  }

  get instances(): readonly RegisteredInstance[] {
    return this.#instances.map(({ registered }) => registered).filter((instance) => instance !== undefined)
  }

  get error(): RegistrationError | undefined {
    return this.#instances.find(({ error }) => error !== undefined)?.error
  }

  inspect(): RegistrationInspection {
    return {
      state: this.state,
      ready: this.#ready(),
      notReady: this.#readiness?.reason,
      instances: this.#instances.map((instance) => instance.inspect()),
    }
  }

  async setHealthy(healthy: boolean | undefined): Promise<void> {
    this.#override = healthy
    await this.#applyReadiness(`setHealthy(${healthy})`)
  }

  deregister(options: DeregisterOptions = {}): Promise<DeregistrationResult> {
    const { withinMs } = checkKeys('', options, ['withinMs'])
    const limitMs = given('withinMs', withinMs, DEREGISTER_MS, checkMs)
    this.#leaving ??= this.#leave(limitMs)
    return this.#leaving
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.deregister()
  }

  async #run(): Promise<void> {
    let identities: readonly Identity[]
    try {
      identities = await this.#prepare()
    } catch (cause) {
      const error =
        cause instanceof RegistrationError ? cause : this.#newError('invalid', reasonOf(cause), cause)
      this.#readiness?.stop()
      for (const instance of this.#instances) instance.fail(error)
      throw error
    }
    const started = await Promise.allSettled(
      this.#instances.map((instance, index) => instance.start(identities[index] as Identity)),
    )
    const failed = started.find((result) => result.status === 'rejected')
    if (failed === undefined) return
    if (this.#instances.every(({ state }) => state === 'failed')) this.#readiness?.stop()
    throw failed.reason
  }

  /** Place, ports, readiness. */
  #prepare(): Promise<readonly Identity[]> {
    const { services, readiness, clock } = this.#settings
    const { signal } = this.#stopping
    let step = 'the task metadata does not answer'
    const late = (): Error => {
      const reason = this.#readiness?.reason
      const why = reason === undefined ? '' : ` (${reason})`
      return this.#newError('not-ready', `${step} within ${readiness.withinMs} ms${why}`)
    }
    return inTime({ clock, limitMs: readiness.withinMs, signal, late }, async (own) => {
      const place = this.#settings.place ?? (await ownPlace(this.#settings, own))
      step = 'not all servers listen'
      const listening = await Promise.all(services.map(({ listener }) => whenListening(listener, own)))
      const identities = identitiesOf(services, place, listening)
      for (const { id } of identities) this.#shared.ownIds.add(id)
      step = 'the process is not ready'
      own.throwIfAborted()
      this.#watch(listening)
      await this.#firstReady.promise
      return identities
    })
  }

  /** Begins to check readiness. */
  #watch([at]: readonly ListeningAt[]): void {
    const { ready, readiness, clock, services } = this.#settings
    const { listener } = services[0]
    if (ready !== undefined && at !== undefined) {
      const check = typeof ready === 'string' ? pathCheck(ready, listener, at) : functionCheck(ready)
      const onChange = (_: boolean, reason: string): void => void this.#applyReadiness(reason)
      this.#readiness = new Readiness(check, readiness, clock, onChange)
      void this.#readiness.start()
    }
    if (this.#ready() === true) this.#firstReady.resolve()
  }

  /** undefined: not known yet. */
  #ready(): boolean | undefined {
    return this.#override ?? (this.#settings.ready === undefined ? true : this.#readiness?.ready)
  }

  async #applyReadiness(reason: string): Promise<void> {
    const ready = this.#ready()
    if (ready === undefined) return
    if (ready) this.#firstReady.resolve()
    await Promise.all(this.#instances.map((instance) => instance.setHealthy(ready, reason)))
  }

  async #leave(withinMs: number): Promise<DeregistrationResult> {
    const alive = keepAlive(this.#settings.waitingClock)
    this.#settings.signal?.removeEventListener('abort', this.#onAbort)
    this.#readiness?.stop()
    this.#stopping.abort(cancelled(this.#settings.services[0].service))
    try {
      const results = await Promise.all(this.#instances.map((instance) => instance.deregister(withinMs)))
      const order = ['failed', 'accepted'] as const
      return order.find((result) => results.includes(result)) ?? 'done'
    } finally {
      void this.#shared.transport.close().catch(() => undefined)
      alive.cancel()
    }
  }

  #newError(failure: RegistrationError['failure'], reason: string, cause?: unknown): RegistrationError {
    return new RegistrationError(this.#settings.services[0].service, failure, reason, { cause })
  }
}
