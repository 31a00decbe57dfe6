import type { LocationSource } from './caller-locality.ts'
import type { TaskLocation } from './locality.ts'

/** What the user configured; undefined fields come from the task metadata. */
export interface ConfiguredZone {
  readonly own: string | undefined
  readonly subnets: TaskLocation['subnets'] | undefined
}

/** The caller's location as configured, completed by the task metadata. */
export class ConfiguredLocation implements LocationSource {
  readonly #metadata: LocationSource
  readonly #configured: ConfiguredZone
  #from: TaskLocation | undefined
  #location: TaskLocation | undefined

  constructor(metadata: LocationSource, configured: ConfiguredZone) {
    this.#metadata = metadata
    this.#configured = configured
    if (configured.own !== undefined || configured.subnets !== undefined)
      this.#location = this.#merge(undefined)
  }

  get location(): TaskLocation | undefined {
    const { location } = this.#metadata
    if (location !== this.#from) this.#location = this.#merge(location)
    return this.#location
  }

  #merge(location: TaskLocation | undefined): TaskLocation {
    this.#from = location
    const { own, subnets } = this.#configured
    return {
      zone: own ?? location?.zone,
      subnets: subnets ?? location?.subnets ?? [],
      instanceId: location?.instanceId,
      addresses: location?.addresses ?? [],
    }
  }
}
