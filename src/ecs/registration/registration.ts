/** What `register()` returns: this process's instances in Cloud Map. */

/**
 * - `waiting`: not ready yet
 * - `registering`: Cloud Map has been asked
 * - `registered`: found by callers
 * - `unhealthy`: registered, and reported unhealthy or taken out until it is well
 * - `deregistering`, `gone`: leaving, and left
 * - `failed`: registration was given up; the error is that of `registered`
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

export interface Registration extends AsyncDisposable {
  readonly state: RegistrationState
  /** Settles once; rejects with a RegistrationError. It may be left unawaited. */
  readonly registered: Promise<void>
  readonly instances: readonly RegisteredInstance[]
  /** Overrides readiness checks until it is set again. */
  setHealthy(healthy: boolean): Promise<void>
  /**
   * Once, idempotent, never rejects.
   * @param withinMs how long it may take [5000]
   */
  deregister(options?: { readonly withinMs?: number | undefined }): Promise<DeregistrationResult>
}
