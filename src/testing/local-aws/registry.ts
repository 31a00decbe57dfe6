import { systemClock, systemRandom, type Clock, type Random } from '../../core/clock.ts'
import { checkInstance, MAX_INSTANCES } from './cloud-map/attributes.ts'
import { AwsError, invalidInput } from './cloud-map/aws-error.ts'
import { cloudMapFaults, operationFailure, type CloudMapFaults } from './cloud-map/faults.ts'
import { randomId } from './chance.ts'
import { Delays } from './delays.ts'
import type {
  CustomHealthStatus,
  HealthStatus,
  Instance,
  Namespace,
  NamespaceType,
  Service,
} from './model.ts'
import { History } from './history.ts'
import { Operations } from './cloud-map/operations.ts'

export interface RegistryOptions {
  readonly region?: string | undefined
  readonly accountId?: string | undefined
  readonly operationStepMs?: number | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

interface NewService extends Omit<Service, 'id' | 'arn' | 'instances' | 'revision'> {
  /** [a new one] */
  readonly id?: string | undefined
}

type Writable<Plain> = { -readonly [Key in keyof Plain]: Plain[Key] }
type StoredInstance = Writable<Instance> & { readonly madeAt: number }
type StoredService = Writable<Omit<Service, 'instances'>> & { instances: Map<string, StoredInstance> }

/**
 * The state of one Cloud Map account, in memory. Its methods act at once. AWS does some of that later: see
 * `operations`. Names are compared without regard to case, as DNS does.
 */
export class Registry {
  readonly region: string
  readonly accountId: string
  readonly random: Random
  readonly operations: Operations
  /** Of the API: how late what has changed shows, and what operations come to. */
  readonly faults: CloudMapFaults = cloudMapFaults()
  readonly history: History

  readonly #clock: Clock
  readonly #delays: Delays
  readonly #namespaces = new Map<string, Namespace>()
  readonly #services = new Map<string, StoredService>()

  constructor(options: RegistryOptions = {}) {
    this.region = options.region ?? 'eu-west-1'
    this.accountId = options.accountId ?? '111122223333'
    this.random = options.random ?? systemRandom
    this.#clock = options.clock ?? systemClock
    const failure = (): AwsError | undefined => operationFailure(this.faults)
    this.operations = new Operations(this.#clock, this.random, options.operationStepMs ?? 10, failure)
    this.history = new History(this.#clock)
    this.#delays = new Delays(this.#clock)
  }

  get namespaces(): readonly Namespace[] {
    return [...this.#namespaces.values()]
  }

  get services(): readonly Service[] {
    return [...this.#services.values()]
  }

  findNamespace(name: string): Namespace | undefined {
    return this.namespaces.find((namespace) => sameName(namespace.name, name))
  }

  findService(namespaceName: string, name: string): Service | undefined {
    const inIt = (service: Service): boolean => sameName(service.namespace.name, namespaceName)
    return this.services.find((service) => inIt(service) && sameName(service.name, name))
  }

  /**
   * @param id an id or an ARN
   * @throws AwsError `NamespaceNotFound`
   */
  namespaceById(id: string): Namespace {
    const namespace = this.#namespaces.get(idOf(id))
    if (namespace === undefined) throw new AwsError('NamespaceNotFound', `no namespace ${id}`)
    return namespace
  }

  /**
   * @param id an id or an ARN
   * @throws AwsError `ServiceNotFound`
   */
  serviceById(id: string): Service {
    return this.#stored(id)
  }

  /** @throws AwsError `InstanceNotFound`, also for one that is too new to be known everywhere */
  instance(service: Service, instanceId: string): Instance {
    const instance = this.#storedInstance(service, instanceId)
    if (this.#clock.now() < instance.madeAt + this.faults.notYetMs)
      throw instanceNotFound(service, instanceId)
    return instance
  }

  /** @throws AwsError `NamespaceAlreadyExists` */
  addNamespace(
    name: string,
    type: NamespaceType,
    soaTtlSeconds: number,
    id: string = this.newId('ns'),
  ): Namespace {
    this.checkNewNamespace(name)
    const namespace = { id, arn: this.#arn('namespace', id), name, type, soaTtlSeconds }
    this.#namespaces.set(id, namespace)
    return namespace
  }

  /** @throws AwsError `NamespaceAlreadyExists` */
  checkNewNamespace(name: string): void {
    const found = this.findNamespace(name)
    if (found !== undefined)
      throw new AwsError('NamespaceAlreadyExists', `namespace ${name} is there already`, 400, {
        NamespaceId: found.id,
      })
  }

  /** @throws AwsError `NamespaceNotFound`, `ResourceInUse` */
  deleteNamespace(id: string): void {
    this.#namespaces.delete(this.emptyNamespace(id).id)
  }

  /** @throws AwsError `NamespaceNotFound`, `ResourceInUse` */
  emptyNamespace(id: string): Namespace {
    const namespace = this.namespaceById(id)
    if (this.services.some((service) => service.namespace === namespace))
      throw new AwsError('ResourceInUse', `namespace ${namespace.name} has services`)
    return namespace
  }

  /** @throws AwsError `ServiceAlreadyExists`, `InvalidInput` */
  addService(options: NewService): Service {
    const { name, namespace, records } = options
    const found = this.findService(namespace.name, name)
    if (found !== undefined)
      throw new AwsError('ServiceAlreadyExists', `service ${name} is there already`, 400, {
        ServiceId: found.id,
        ServiceArn: found.arn,
      })
    if (records.length > 0 && namespace.type === 'HTTP')
      throw invalidInput(`namespace ${namespace.name} is of type HTTP: no DNS records`)
    const cname = records.some(({ type }) => type === 'CNAME')
    if (cname && (records.length > 1 || options.routing !== 'WEIGHTED' || options.customHealth))
      throw invalidInput('CNAME stands alone, with WEIGHTED routing and without a health check')
    const id = options.id ?? this.newId('srv')
    // Revisions of AWS are large numbers, only their order has a meaning.
    const revision = 1 + Math.floor(this.random.next() * 1_000_000_000)
    const service = { ...options, id, arn: this.#arn('service', id), instances: new Map(), revision }
    this.#services.set(id, service)
    return service
  }

  /**
   * @param withInstances whether those that are in it go with it, which the API does not do
   * @throws AwsError `ServiceNotFound`, `ResourceInUse`
   */
  deleteService(id: string, withInstances = false): void {
    const service = this.serviceById(id)
    if (service.instances.size > 0 && !withInstances)
      throw new AwsError('ResourceInUse', `service ${service.name} has ${service.instances.size} instances`)
    this.#services.delete(service.id)
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
    const stored = this.#stored(service.id)
    checkInstance(instanceId, attributes)
    if (stored.instances.size >= MAX_INSTANCES && !stored.instances.has(instanceId))
      throw new AwsError('ResourceLimitExceeded', `service ${service.name} has ${MAX_INSTANCES} instances`)
    const initial: HealthStatus =
      attributes['AWS_INIT_HEALTH_STATUS'] === 'UNHEALTHY' ? 'UNHEALTHY' : 'HEALTHY'
    this.history.willChange(stored, instanceId)
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
    const { id } = this.#storedInstance(service, instanceId)
    const stored = this.#stored(service.id)
    this.history.willChange(stored, id)
    stored.instances.delete(id)
    stored.revision++
  }

  /**
   * @param delayMs how long it takes to show
   * @throws AwsError `ServiceNotFound`, `InstanceNotFound`, `CustomHealthNotFound`
   */
  setHealth(service: Service, instanceId: string, health: CustomHealthStatus, delayMs = 0): void {
    const instance = this.#storedInstance(service, instanceId)
    if (!service.customHealth)
      throw new AwsError('CustomHealthNotFound', `service ${service.name} has no custom health check`)
    const show = (): void => {
      this.history.willChange(service, instanceId)
      instance.health = health
    }
    if (delayMs === 0) return show()
    this.#delays.after(delayMs, show)
  }

  /** What shows later does not show any more. */
  close(): void {
    this.operations.close()
    this.#delays.close()
  }

  newId(prefix: 'ns' | 'srv'): string {
    return `${prefix}-${randomId(this.random, 16)}`
  }

  #stored(id: string): StoredService {
    const service = this.#services.get(idOf(id))
    if (service === undefined) throw new AwsError('ServiceNotFound', `no service ${id}`)
    return service
  }

  #storedInstance(service: Service, instanceId: string): StoredInstance {
    const instance = this.#stored(service.id).instances.get(instanceId)
    if (instance === undefined) throw instanceNotFound(service, instanceId)
    return instance
  }

  #arn(kind: 'namespace' | 'service', id: string): string {
    return `arn:aws:servicediscovery:${this.region}:${this.accountId}:${kind}/${id}`
  }
}

function instanceNotFound(service: Service, instanceId: string): AwsError {
  return new AwsError('InstanceNotFound', `no instance ${instanceId} in service ${service.name}`)
}

function idOf(idOrArn: string): string {
  return idOrArn.startsWith('arn:') ? idOrArn.slice(idOrArn.lastIndexOf('/') + 1) : idOrArn
}

function sameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
