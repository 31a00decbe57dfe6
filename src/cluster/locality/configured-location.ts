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
  readonly #zone: string | undefined
  readonly #subnets: TaskLocation['subnets'] | undefined
  #from: TaskLocation | undefined
  #location: TaskLocation | undefined

  constructor(metadata: LocationSource, { own: zone, subnets }: ConfiguredZone) {
    this.#metadata = metadata
    this.#zone = zone
    this.#subnets = subnets
    this.#location = zone === undefined && subnets === undefined ? undefined : this.#merge(undefined)
  }

  get location(): TaskLocation | undefined {
    const { location } = this.#metadata
    if (location !== this.#from) this.#location = this.#merge(location)
    return this.#location
  }

  #merge(location: TaskLocation | undefined): TaskLocation {
    this.#from = location
    return {
      zone: this.#zone ?? location?.zone,
      subnets: this.#subnets ?? location?.subnets ?? [],
      instanceId: location?.instanceId,
      addresses: location?.addresses ?? [],
    }
  }
}
