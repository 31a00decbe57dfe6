import { systemClock, systemRandom, type Random } from '../../core/clock.ts'
import { AwsError, invalidInput } from './cloud-map/aws-error.ts'
import { cloudMapFaults, operationFailure, type CloudMapFaults } from './cloud-map/faults.ts'
import { randomId } from './chance.ts'
import { History } from './history.ts'
import { Instances, type StoredService } from './instances.ts'
import type { LocalAwsOptions } from './local-aws.ts'
import type { Namespace, NamespaceType, Service } from './model.ts'
import { Operations } from './cloud-map/operations.ts'

type RegistryOptions = Omit<LocalAwsOptions, 'task' | 'metadataRefuseMs'>

interface NewService extends Omit<Service, 'id' | 'arn' | 'instances' | 'revision'> {
  /** [a new one] */
  readonly id?: string | undefined
}

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
  readonly instances: Instances
  readonly #namespaces = new Map<string, Namespace>()
  readonly #services = new Map<string, StoredService>()

  constructor(options: RegistryOptions = {}) {
    this.region = options.region ?? 'eu-west-1'
    this.accountId = options.accountId ?? '111122223333'
    this.random = options.random ?? systemRandom
    const { clock = systemClock, operationStepMs = 10 } = options
    const failure = (): AwsError | undefined => operationFailure(this.faults)
    this.operations = new Operations(clock, this.random, operationStepMs, failure)
    this.history = new History(clock)
    this.instances = new Instances(clock, this.history, this.faults, (id) => this.#stored(id))
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
    const service = this.#stored(id)
    if (service.instances.size > 0 && !withInstances)
      throw new AwsError('ResourceInUse', `service ${service.name} has ${service.instances.size} instances`)
    this.#services.delete(service.id)
  }

  /** What shows later does not show any more. */
  close(): void {
    this.operations.close()
    this.instances.close()
  }

  newId(prefix: 'ns' | 'srv'): string {
    return `${prefix}-${randomId(this.random, 16)}`
  }

  #stored(id: string): StoredService {
    const service = this.#services.get(idOf(id))
    if (service === undefined) throw new AwsError('ServiceNotFound', `no service ${id}`)
    return service
  }

  #arn(kind: 'namespace' | 'service', id: string): string {
    return `arn:aws:servicediscovery:${this.region}:${this.accountId}:${kind}/${id}`
  }
}

function idOf(idOrArn: string): string {
  return idOrArn.startsWith('arn:') ? idOrArn.slice(idOrArn.lastIndexOf('/') + 1) : idOrArn
}

function sameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
