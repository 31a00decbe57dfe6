/**
 * Registers this process in Cloud Map, and keeps it there.
 *
 * `register()` returns at once, so that a SIGTERM in the middle finds the registration. Then, in order: the place (task
 * metadata), the ports (the servers listen), readiness; and for each instance the life that `instance.ts` describes.
 * What Cloud Map has of an instance, and the requests for it, are in `entry.ts`; whose id and address they are, in
 * `look.ts`; the operations that change it, in `operations.ts`.
 */
import { inTime } from '../../core/async/with-timeout.ts'
import { checkKeys, checkMs, given } from '../../core/check/check.ts'
import { keepAlive, type Timer } from '../../core/clock.ts'
import { MetadataInvalidError, NotOnEcsError } from '../metadata/errors.ts'
import { self } from '../metadata/self.ts'
import { INSTANCE_ID } from './attributes.ts'
import { sdkTransport, type Transport } from './calls.ts'
import type { Identity, Shared } from './entry.ts'
import { RegistrationError } from './errors.ts'
import { cancelled, ServiceInstance } from './instance.ts'
import { isLoopback, whenListening, type ListeningAt } from './listener.ts'
import { registerSettings, type RegisterOptions, type RegisterSettings } from './options.ts'
import { placeOfTask, type KnownPlace } from './place.ts'
import { functionCheck, pathCheck } from './probe.ts'
import { Readiness } from './readiness.ts'
import type {
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

/** Of all instances, the one that is most to be reported. */
const BY_IMPORTANCE: readonly RegistrationState[] = [
  ...(['failed', 'deregistering', 'waiting', 'registering', 'unhealthy', 'registered', 'gone'] as const),
]
const DEREGISTER_MS = 5_000

/** A registration by settings; `register` has the checks of options and AWS's transport. */
export class ServiceRegistration implements Registration {
  readonly registered: Promise<void>
  readonly #settings: RegisterSettings
  readonly #transport: Transport
  readonly #shared: Shared
  readonly #instances: readonly ServiceInstance[]
  readonly #stopping = new AbortController()
  /** Resolves when the process may register for the first time. */
  readonly #isReady = Promise.withResolvers<void>()
  #readiness: Readiness | undefined
  #override: boolean | undefined
  #error: RegistrationError | undefined
  #leaving: Promise<DeregistrationResult> | undefined
  /** A registration that is awaited keeps the process alive, as a request would. */
  readonly #alive: Timer
  readonly #onAbort = (): void => void this.deregister()

  constructor(settings: RegisterSettings, transport: Transport) {
    const { clock, random, registerMs, operationMs, verifyMs, signal } = settings
    this.#settings = settings
    this.#transport = transport
    this.#shared = {
      ...{ transport, clock, random, registerMs, operationMs, verifyMs },
      ownIds: new Set(),
      claims: new Map(),
    }
    this.#instances = settings.services.map((service) => new ServiceInstance(service, this.#shared))
    this.#alive = keepAlive(settings.waitingClock)
    this.registered = this.#run().finally(() => this.#alive.cancel())
    // It need not be awaited.
    this.registered.catch(() => undefined)
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (signal?.aborted === true) this.#onAbort()
  }

  get state(): RegistrationState {
    const states = this.#instances.map(({ state }) => state)
    return BY_IMPORTANCE.find((state) => states.includes(state)) ?? 'waiting'
  }

  get instances(): readonly RegisteredInstance[] {
    return this.#instances.map(({ registered }) => registered).filter((instance) => instance !== undefined)
  }

  get error(): RegistrationError | undefined {
    return this.#error
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

  deregister(options: { readonly withinMs?: number | undefined } = {}): Promise<DeregistrationResult> {
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
    } catch (error) {
      throw this.#failAll(error)
    }
    const started = await Promise.allSettled(
      this.#instances.map((instance, index) => instance.start(identities[index] as Identity)),
    )
    const failed = started.find((result) => result.status === 'rejected')
    if (failed === undefined) return
    if (this.#instances.every(({ state }) => state === 'failed')) this.#readiness?.stop()
    throw this.#asError(failed.reason)
  }

  /** Place, ports, readiness. */
  async #prepare(): Promise<readonly Identity[]> {
    const { clock, services, readiness } = this.#settings
    const { signal } = this.#stopping
    const place = this.#settings.place ?? (await this.#ownTask())
    signal.throwIfAborted()
    let step = 'its servers do not listen'
    const late = (): Error =>
      this.#newError('not-ready', `${this.#notReady(step)} within ${readiness.withinMs} ms`)
    return inTime({ clock, limitMs: readiness.withinMs, signal, late }, async (own) => {
      const listening = await Promise.all(services.map(({ listener }) => whenListening(listener, own)))
      const identities = this.#identities(place, listening)
      step = 'it does not become ready'
      this.#watch(listening)
      await this.#isReady.promise
      return identities
    })
  }

  #notReady(step: string): string {
    const reason = this.#readiness?.reason
    return reason === undefined ? step : `${step} (${reason})`
  }

  async #ownTask(): Promise<KnownPlace> {
    const { env, clock } = this.#settings
    // Ports are read from the options, or from PORT where they need it.
    const { PORT: _, ...others } = env
    try {
      return placeOfTask(await self({ env: others, clock, signal: this.#stopping.signal }))
    } catch (error) {
      this.#stopping.signal.throwIfAborted()
      if (error instanceof NotOnEcsError)
        throw this.#newError(
          'invalid',
          'this process does not run in an ECS task: set the option place',
          error,
        )
      const failure = error instanceof MetadataInvalidError ? 'invalid' : 'outage'
      throw this.#newError(failure, `the task metadata does not say where this process runs`, error)
    }
  }

  #identities(place: KnownPlace, listening: readonly ListeningAt[]): readonly Identity[] {
    const taken = new Set<string>()
    return this.#settings.services.map(({ service, id: given }, index) => {
      const { port, boundTo } = listening[index] as ListeningAt
      const address = place.ipv4 ?? place.ipv6 ?? ''
      if (boundTo !== undefined && isLoopback(boundTo) && !isLoopback(address))
        throw new RegistrationError(
          service,
          'invalid',
          `the server listens on ${boundTo} alone, where callers cannot reach it, and ${address} would be ` +
            'registered; listen without a host',
        )
      const first = place.id ?? `${address}-${port}`
      const id = given ?? (taken.has(`${service} ${first}`) ? `${first}-${port}` : first)
      if (!INSTANCE_ID.test(id))
        throw new RegistrationError(service, 'invalid', `"${id}" is not an InstanceId; set the option id`)
      taken.add(`${service} ${id}`)
      this.#shared.ownIds.add(id)
      return { id, place, port }
    })
  }

  #watch(listening: readonly ListeningAt[]): void {
    const { ready, readiness, clock, services } = this.#settings
    const [first] = services
    const [at] = listening
    if (this.#ready() === true || ready === undefined || first === undefined || at === undefined)
      this.#isReady.resolve()
    if (ready === undefined || first === undefined || at === undefined) return
    const check = typeof ready === 'string' ? pathCheck(ready, first.listener, at) : functionCheck(ready)
    this.#readiness = new Readiness(check, readiness, clock, (_, reason) => void this.#applyReadiness(reason))
    if (!this.#stopping.signal.aborted) void this.#readiness.start()
  }

  /** undefined: not known yet. */
  #ready(): boolean | undefined {
    return this.#override ?? (this.#settings.ready === undefined ? true : this.#readiness?.ready)
  }

  async #applyReadiness(reason: string): Promise<void> {
    const ready = this.#ready()
    if (ready === true) this.#isReady.resolve()
    if (ready !== undefined)
      await Promise.all(this.#instances.map((instance) => instance.setHealthy(ready, reason)))
  }

  async #leave(withinMs: number): Promise<DeregistrationResult> {
    const alive = keepAlive(this.#settings.waitingClock)
    this.#settings.signal?.removeEventListener('abort', this.#onAbort)
    this.#readiness?.stop()
    this.#stopping.abort(cancelled(this.#settings.services[0]?.service ?? ''))
    try {
      const results = await Promise.all(this.#instances.map((instance) => instance.deregister(withinMs)))
      const order = ['failed', 'accepted'] as const
      return order.find((result) => results.includes(result)) ?? 'done'
    } finally {
      void this.#transport.close().catch(() => undefined)
      alive.cancel()
    }
  }

  #failAll(cause: unknown): RegistrationError {
    const error = this.#asError(cause)
    this.#readiness?.stop()
    for (const instance of this.#instances) instance.fail(error)
    return error
  }

  #asError(cause: unknown): RegistrationError {
    const error =
      cause instanceof RegistrationError ? cause : this.#newError('invalid', (cause as Error).message, cause)
    this.#error ??= error
    return error
  }

  #newError(failure: RegistrationError['failure'], reason: string, cause?: unknown): RegistrationError {
    return new RegistrationError(this.#settings.services[0]?.service ?? '', failure, reason, { cause })
  }
}
