import { systemClock } from '../core/clock.ts'
import type { Client, Inspection, ServiceInspection } from '../index.ts'

/** How soon clients are asked again for a host that none of them knew. */
const RETRY_MS = 1_000

/** One client that is observed, and how. */
export interface Observation {
  readonly client: Pick<Client, 'inspect'>
  readonly perUpstream: boolean
  readonly httpMetrics: boolean
}

/** What a client knew when it was asked. */
export interface Inspected {
  readonly observation: Observation
  readonly inspection: Inspection
}

/**
 * The observed clients by the hosts that they call. Events name the host and not the client, and `inspect()` lists the
 * hosts of a client, so that the first event of a host costs one `inspect()` and all others one map lookup.
 */
export class ObservedClients {
  readonly #observations = new Set<Observation>()
  /** Hosts stay with their client: a client that closes lists none any more, while its last calls end. */
  readonly #hosts = new Map<string, Observation>()
  /** When the clients were last asked for a host that none of them knew, on the clock. */
  readonly #unknown = new Map<string, number>()
  readonly #onHost: (host: string, service: ServiceInspection, observation: Observation) => void

  /** @param onHost called when a host is seen for the first time */
  constructor(onHost: (host: string, service: ServiceInspection, observation: Observation) => void) {
    this.#onHost = onHost
  }

  get size(): number {
    return this.#observations.size
  }

  add(observation: Observation): void {
    this.#observations.add(observation)
    this.#unknown.clear()
  }

  remove(observation: Observation): void {
    this.#observations.delete(observation)
    for (const [host, owner] of this.#hosts) if (owner === observation) this.#hosts.delete(host)
  }

  /** The client that calls a host, the first if there are several; undefined if none of them does. */
  of(host: string): Observation | undefined {
    const known = this.#hosts.get(host)
    if (known !== undefined) return known
    const now = systemClock.now()
    const askedAt = this.#unknown.get(host) ?? Number.NEGATIVE_INFINITY
    if (now - askedAt < RETRY_MS) return undefined
    this.inspect()
    const found = this.#hosts.get(host)
    if (found === undefined) this.#unknown.set(host, now)
    return found
  }

  /** Asks each client once. */
  inspect(): readonly Inspected[] {
    const inspected = [...this.#observations].map((observation) => ({
      observation,
      inspection: observation.client.inspect(),
    }))
    for (const { observation, inspection } of inspected) {
      for (const [host, service] of Object.entries(inspection.services)) {
        if (this.#hosts.has(host)) continue
        this.#hosts.set(host, observation)
        this.#onHost(host, service, observation)
      }
    }
    return inspected
  }
}
