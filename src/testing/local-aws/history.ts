import type { Clock } from '../../core/clock.ts'
import type { Instance, Service } from './model.ts'

/** How far a source may be behind. */
export const MAX_LAG_MS = 600_000

/** What a change has replaced. */
interface Change {
  readonly at: number
  readonly serviceId: string
  readonly instanceId: string
  readonly instance: Instance | undefined
  readonly revision: number
}

/** What services were some time ago: AWS shows a change in the API and in DNS at different moments. */
export class History {
  readonly #clock: Clock
  /** The oldest first. */
  #changes: Change[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** To be called before an instance of the service changes. */
  willChange({ id, instances, revision }: Service, instanceId: string): void {
    const at = this.#clock.now()
    const known = instances.get(instanceId)
    const instance = known === undefined ? undefined : { ...known }
    if ((this.#changes[0]?.at ?? at) < at - MAX_LAG_MS)
      this.#changes = this.#changes.filter((change) => change.at >= at - MAX_LAG_MS)
    this.#changes.push({ at, serviceId: id, instanceId, instance, revision })
  }

  /** The service as it was `lagMs` ago. */
  before(service: Service, lagMs: number): Service {
    if (lagMs === 0) return service
    const shownAt = this.#clock.now() - lagMs
    const undone = this.#changes.filter(({ at, serviceId }) => at > shownAt && serviceId === service.id)
    const instances = new Map(service.instances)
    let { revision } = service
    for (const change of undone.toReversed()) {
      if (change.instance === undefined) instances.delete(change.instanceId)
      else instances.set(change.instanceId, change.instance)
      revision = change.revision
    }
    return { ...service, instances, revision }
  }
}
