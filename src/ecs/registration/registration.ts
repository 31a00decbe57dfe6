/** What `register()` returns: this process's instances in Cloud Map. */
import type { RegistrationError } from './errors.ts'

/**
 * - `waiting`: not ready yet
 * - `registering`: Cloud Map is being asked, for the first time or again after it lost the instance
 * - `registered`: found by callers
 * - `unhealthy`: registered, and reported unhealthy or taken out until it is well
 * - `deregistering`, `gone`: leaving, and left
 * - `failed`: registration was given up, with the error of `registered`; or deregistration failed
 */
export type RegistrationState =
  | 'waiting'
  | 'registering'
  | 'registered'
  | 'unhealthy'
  | 'deregistering'
  | 'gone'
  | 'failed'

/** One instance of one Cloud Map service. */
export interface RegisteredInstance {
  /** Cloud Map service id, ARN or name, as the option has it. */
  readonly service: string
  /** InstanceId. */
  readonly id: string
  /** IPv4 or IPv6 address that callers connect to; the IPv4 address if there are both. */
  readonly address: string
  /** Port that callers connect to. */
  readonly port: number
  /** TTL of the service's DNS records; undefined: no DNS records, or not known. */
  readonly ttlMs: number | undefined
}

/**
 * - `done`: Cloud Map has confirmed it
 * - `accepted`: asked, not confirmed in time
 * - `failed`: not asked in time; an event names what is left behind
 */
export type DeregistrationResult = 'done' | 'accepted' | 'failed'

/** Options of `deregister`. Default in brackets. */
export interface DeregisterOptions {
  /** How long it may take, in ms [5000]. */
  readonly withinMs?: number | undefined
}

/** One instance, for a debug endpoint or a log line. Times in ms. */
export interface InstanceInspection {
  /** As the option has it. */
  readonly service: string
  /** Cloud Map's id or ARN of the service; undefined until it was found. */
  readonly serviceId: string | undefined
  /** InstanceId; undefined until the place is known. */
  readonly id: string | undefined
  /** Of this instance. */
  readonly state: RegistrationState
  /** As they are registered; undefined until the service was read. */
  readonly attributes: Readonly<Record<string, string>> | undefined
  /** Largest TTL of the service's DNS records; undefined: none, or not known. */
  readonly ttlMs: number | undefined
  /** Whether health is set in Cloud Map; otherwise an unhealthy instance is deregistered for a while. */
  readonly customHealth: boolean | undefined
  /** What Cloud Map is to know of its health. */
  readonly healthy: boolean
  /** Since RegisterInstance was last sent; undefined: never. */
  readonly requestedMsAgo: number | undefined
  /** Since Cloud Map was last asked whether the instance is still there; undefined: not yet. */
  readonly verifiedMsAgo: number | undefined
  /** Reason of the last failure, until the next success. */
  readonly lastError: string | undefined
}

/** What `inspect()` of a registration returns: plain JSON. */
export interface RegistrationInspection {
  /** That of the instance that is furthest from being registered. */
  readonly state: RegistrationState
  /** Result of the readiness checks, or of `setHealthy`; undefined: no check has ended yet. */
  readonly ready: boolean | undefined
  /** Why the last readiness check failed; undefined: it did not. */
  readonly notReady: string | undefined
  /** In the order of the option `services`. */
  readonly instances: readonly InstanceInspection[]
}

/** This process's instances in Cloud Map. */
export interface Registration extends AsyncDisposable {
  /** That of the instance that is furthest from being registered. */
  readonly state: RegistrationState
  /**
   * Settles once, when all instances are registered; rejects with a RegistrationError. It may be left unawaited. If it
   * was not read by then, a failure is a warning of the process with the code `ONEHOP_REGISTRATION_FAILED`.
   */
  readonly registered: Promise<void>
  /** Empty until the place and the ports are known. */
  readonly instances: readonly RegisteredInstance[]
  /** Why it is `failed`, also when that came later than `registered`; undefined: it is not. */
  readonly error: RegistrationError | undefined
  /**
   * Overrides the readiness checks; undefined lets them decide again. Before the first registration `true` registers at
   * once. Resolves when Cloud Map has taken it, or the instances are on their way out; never rejects.
   */
  setHealthy(healthy: boolean | undefined): Promise<void>
  /**
   * Once: later calls have the first one's result. Never rejects. At any moment: nothing new begins, and what was sent is
   * awaited and taken back.
   * @throws InvalidOptionsError at once, for options that are not allowed
   */
  deregister(options?: DeregisterOptions): Promise<DeregistrationResult>
  /** State, attributes and errors, as plain JSON. */
  inspect(): RegistrationInspection
}
