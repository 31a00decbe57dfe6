import { settlesWithin } from '../../../core/async/settles-within.ts'
import { sleep } from '../../../core/clock.ts'
import { awsName, isDenied, isRefusal, isRetriable, RegistrationError } from '../errors.ts'
import type { Identity } from '../identity.ts'
import type { RegisterSettings, ServiceSettings } from '../options/options.ts'
import { attributesOf, type Attributes } from './attributes.ts'
import type { InputOf, OutputOf, ServiceCalls, Transport } from './calls.ts'
import { enter } from './enter.ts'
import { leave, removeOrphan } from './leave.ts'
import { checkOwn, checkSamePort, hasAll, lookAround, readInstance, type Candidate } from './look.ts'
import { isNotYet } from './operation.ts'
import { readService, type ServiceFacts } from './service.ts'

type Times = 'registerMs' | 'operationMs' | 'verifyMs'

/** What the instances of one registration share. */
export interface Shared extends Pick<RegisterSettings, 'clock' | 'random' | Times> {
  readonly transport: Transport
  /** Ids of all instances of this process. */
  readonly ownIds: Set<string>
  /** Which of them has which id in which service: two names may mean one service. */
  readonly claims: Map<string, Entry>
}

/** Tasks of one deployment start together; Cloud Map takes some 50 registrations a second, account-wide. */
const START_JITTER_MS = 1_000

/** Our instance in Cloud Map, as far as we know it: the requests that make, keep and remove it. */
export class Entry {
  readonly identity: Identity
  facts: ServiceFacts | undefined
  attributes: Attributes | undefined
  /** When RegisterInstance was last sent, on the clock. */
  registeredAt: number | undefined
  readonly #settings: ServiceSettings
  readonly #shared: Shared
  readonly #calls: ServiceCalls
  /** A change that was sent and not answered. */
  #pending: Promise<unknown> | undefined
  /** Whether Cloud Map may have it. */
  #mayBeThere = false

  /** @param calls their signal lets nothing new begin but `leave()` */
  constructor(identity: Identity, settings: ServiceSettings, shared: Shared, calls: ServiceCalls) {
    this.identity = identity
    this.#settings = settings
    this.#shared = shared
    this.#calls = calls
  }

  /** Whether Cloud Map may have it, now or in a moment. */
  get mayBeThere(): boolean {
    return this.#mayBeThere || this.#pending !== undefined
  }

  /**
   * Looks, then registers.
   * @returns whether it was there already, from an earlier run of this container
   * @throws RegistrationError, or the signal's reason
   */
  async enter(isFirst: boolean): Promise<boolean> {
    const { clock, random, signal } = this.#calls.settings
    const { registerMs, operationMs } = this.#shared
    const facts = await this.#retried('GetService', () => readService(this.#calls))
    this.facts = facts
    this.#claim(facts.id)
    const { place, port } = this.identity
    this.attributes = attributesOf(this.#settings, place, port, facts)
    const { isRegistered, orphans } = await this.#retried('ListInstances', () =>
      lookAround(this.#candidate()),
    ).catch(this.#disown)
    if (isRegistered) this.#mayBeThere = true
    for (const orphan of orphans) await removeOrphan(this.#candidate(), orphan)
    if (isFirst) await sleep(clock, random.next() * START_JITTER_MS, signal)
    await enter(this.#candidate(), { registerMs, operationMs, send: (input) => this.#register(input) })
    signal?.throwIfAborted()
    return isRegistered
  }

  /**
   * Why the registration does not hold any more; undefined: it does, or that may not be asked.
   * @throws RegistrationError, `conflict` if another task has taken the id
   */
  async evictedBy(): Promise<string | undefined> {
    const candidate = this.#candidate()
    try {
      const found = await readInstance(candidate)
      if (found === undefined) return this.#isNew() ? undefined : 'the instance is gone'
      if (hasAll(found, candidate.attributes)) return undefined
      checkOwn(candidate, found)
      checkSamePort(candidate, found)
      return 'its attributes were changed'
    } catch (error) {
      if (awsName(error) === 'ServiceNotFound') return 'the service is gone'
      if (!isDenied(error)) return this.#disown(error)
      this.#calls.reportDenied(error, 'an instance that others remove is not registered again')
      return undefined
    }
  }

  /** @returns false where custom health cannot be used: the service has none, or the role may not set it */
  async setCustomHealth(healthy: boolean): Promise<boolean> {
    if (this.facts?.customHealth !== true) return false
    const { calls, serviceId: ServiceId, id: InstanceId } = this.#candidate()
    const input = { ServiceId, InstanceId, Status: healthy ? 'HEALTHY' : 'UNHEALTHY' } as const
    try {
      await this.#retried(
        'UpdateInstanceCustomHealthStatus',
        () => this.#submit(() => calls.call('UpdateInstanceCustomHealthStatus', input)),
        (error) => isRetriable(error) || (awsName(error) === 'InstanceNotFound' && this.#isNew()),
      )
      return true
    } catch (error) {
      const isUnknown = awsName(error) === 'CustomHealthNotFound'
      if (!isUnknown && !isDenied(error)) throw error
      if (!isUnknown) calls.reportDenied(error as Error, 'an unhealthy task is deregistered instead')
      this.facts = { ...this.facts, customHealth: false }
      return false
    }
  }

  /** Deregisters for a while. */
  async takeOut(): Promise<void> {
    const deadlineAt = this.#shared.clock.now() + this.#shared.registerMs
    await this.#submit(() => leave(this.#candidate(), deadlineAt, this.registeredAt))
    this.#mayBeThere = false
  }

  /**
   * Deregisters for good. A change that was sent is awaited: only then it is known whether it can be taken back.
   * @throws RegistrationError: it may be left behind
   */
  async leave(deadlineAt: number): Promise<'done' | 'accepted'> {
    const { clock } = this.#shared
    const leftMs = Math.max(0, deadlineAt - clock.now())
    if (this.#pending !== undefined) await settlesWithin(clock, leftMs, this.#pending)
    if (!this.mayBeThere) return 'done'
    const target = { ...this.#candidate(), calls: this.#calls.withoutSignal() }
    const result = await leave(target, deadlineAt, this.registeredAt)
    this.#mayBeThere = false
    return result
  }

  #claim(service: string): void {
    const { id } = this.identity
    const key = `${service.slice(service.lastIndexOf('/') + 1)} ${id}`
    const owner = this.#shared.claims.get(key) ?? this
    if (owner !== this)
      throw new RegistrationError(
        this.#settings.service,
        'invalid',
        `this process registers ${id} twice in one service, under two names of it; set id, or use one name`,
      )
    this.#shared.claims.set(key, this)
  }

  /** What belongs to another task is not ours to deregister. */
  readonly #disown = (error: unknown): never => {
    if (error instanceof RegistrationError && error.failure === 'conflict') this.#mayBeThere = false
    throw error
  }

  #register(input: InputOf<'RegisterInstance'>): Promise<OutputOf<'RegisterInstance'>> {
    const wasThere = this.#mayBeThere
    return this.#submit(async () => {
      this.#mayBeThere = true
      this.registeredAt = this.#shared.clock.now()
      try {
        return await this.#calls.call('RegisterInstance', input)
      } catch (error) {
        if (isRefusal(error)) this.#mayBeThere = wasThere
        throw error
      }
    })
  }

  /** Sends a change, within retries that the signal ends, and remembers it until it is answered. */
  async #submit<Output>(send: () => Promise<Output>): Promise<Output> {
    const sent = send()
    this.#pending = sent
    try {
      return await sent
    } finally {
      this.#pending = undefined
    }
  }

  #retried<Result>(
    operation: string,
    tryOnce: () => Promise<Result>,
    mayRetry?: (error: unknown) => boolean,
  ): Promise<Result> {
    const deadlineAt = this.#shared.clock.now() + this.#shared.registerMs
    return this.#calls.retried(operation, deadlineAt, tryOnce, mayRetry)
  }

  #isNew(): boolean {
    return isNotYet(this.#shared, this.registeredAt)
  }

  #candidate(): Candidate {
    const { id, place } = this.identity
    return {
      calls: this.#calls,
      serviceId: this.facts?.id ?? this.#settings.service,
      id,
      taskId: place.id,
      ownIds: this.#shared.ownIds,
      attributes: this.attributes ?? {},
    }
  }
}
