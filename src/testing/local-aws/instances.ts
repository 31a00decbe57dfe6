import type { Clock } from '../../core/clock.ts'
import { checkInstance, MAX_INSTANCES } from './cloud-map/attributes.ts'
import { AwsError } from './cloud-map/aws-error.ts'
import type { CloudMapFaults } from './cloud-map/faults.ts'
import { Delays } from './delays.ts'
import type { History } from './history.ts'
import type { CustomHealthStatus, HealthStatus, Instance, Service } from './model.ts'

type Writable<Plain> = { -readonly [Key in keyof Plain]: Plain[Key] }
type StoredInstance = Writable<Instance> & { readonly madeAt: number }
export type StoredService = Writable<Omit<Service, 'instances'>> & { instances: Map<string, StoredInstance> }

/** The instances of services. The history has each change before it is made. */
export class Instances {
  readonly #clock: Clock
  readonly #history: History
  readonly #faults: Pick<CloudMapFaults, 'notYetMs'>
  readonly #service: (id: string) => StoredService
  readonly #delays: Delays

  /** @param service the one with an id; throws AwsError `ServiceNotFound` */
  constructor(
    clock: Clock,
    history: History,
    faults: Pick<CloudMapFaults, 'notYetMs'>,
    service: (id: string) => StoredService,
  ) {
    this.#clock = clock
    this.#history = history
    this.#faults = faults
    this.#service = service
    this.#delays = new Delays(clock)
  }

  /** @throws AwsError `ServiceNotFound`; `InstanceNotFound`, also for one that is too new to be known everywhere */
  get(service: Service, instanceId: string): Instance {
    const instance = this.#stored(service, instanceId)
    if (this.#clock.now() < instance.madeAt + this.#faults.notYetMs)
      throw instanceNotFound(service, instanceId)
    return instance
  }

  /**
   * Adds an instance, or replaces the one with that id, health included.
   * @throws AwsError `ServiceNotFound`, `InvalidInput`, `ResourceLimitExceeded`
   */
  register(
    service: Service,
    instanceId: string,
    attributes: Readonly<Record<string, string>>,
    creatorRequestId?: string,
  ): void {
    const stored = this.#service(service.id)
    checkInstance(instanceId, attributes)
    if (stored.instances.size >= MAX_INSTANCES && !stored.instances.has(instanceId))
      throw new AwsError('ResourceLimitExceeded', `service ${service.name} has ${MAX_INSTANCES} instances`)
    const initial: HealthStatus =
      attributes['AWS_INIT_HEALTH_STATUS'] === 'UNHEALTHY' ? 'UNHEALTHY' : 'HEALTHY'
    this.#history.willChange(stored, instanceId)
    const madeAt = stored.instances.get(instanceId)?.madeAt ?? this.#clock.now()
    stored.instances.set(instanceId, {
      madeAt,
      id: instanceId,
      attributes: { ...attributes },
      health: stored.customHealth ? initial : 'UNKNOWN',
      creatorRequestId,
    })
    stored.revision++
  }

  /** @throws AwsError `ServiceNotFound`, `InstanceNotFound` */
  deregister(service: Service, instanceId: string): void {
    const { id } = this.#stored(service, instanceId)
    const stored = this.#service(service.id)
    this.#history.willChange(stored, id)
    stored.instances.delete(id)
    stored.revision++
  }

  /**
   * @param delayMs how long it takes to show
   * @throws AwsError `ServiceNotFound`, `InstanceNotFound`, `CustomHealthNotFound`
   */
  setHealth(service: Service, instanceId: string, health: CustomHealthStatus, delayMs = 0): void {
    const instance = this.#stored(service, instanceId)
    if (!service.customHealth)
      throw new AwsError('CustomHealthNotFound', `service ${service.name} has no custom health check`)
    const show = (): void => {
      this.#history.willChange(service, instanceId)
      instance.health = health
    }
    if (delayMs === 0) return show()
    this.#delays.after(delayMs, show)
  }

  /** Health that shows later does not show any more. */
  close(): void {
    this.#delays.close()
  }

  #stored(service: Service, instanceId: string): StoredInstance {
    const instance = this.#service(service.id).instances.get(instanceId)
    if (instance === undefined) throw instanceNotFound(service, instanceId)
    return instance
  }
}

function instanceNotFound(service: Service, instanceId: string): AwsError {
  return new AwsError('InstanceNotFound', `no instance ${instanceId} in service ${service.name}`)
}
