import { MetadataInvalidError } from './errors.ts'

/** Who and where this task is, as ECS tells it. What the platform does not tell is undefined. */
export interface Task {
  /** The last part of the ARN, which is also the id of its Cloud Map instance where ECS registers it. */
  readonly id: string
  readonly arn: string
  /** Short name: `shop`. */
  readonly cluster: string
  readonly clusterArn: string | undefined
  /** Family and revision of the task definition. */
  readonly family: string
  readonly revision: string
  /** undefined for tasks that no service started (RunTask), and on metadata version 3. */
  readonly service: string | undefined
  /** `eu-west-1b` */
  readonly zone: string | undefined
  readonly region: string
  /** Twelve digits. */
  readonly account: string
  /** Private address of the task's network interface; undefined for an IPv6-only task. */
  readonly ipv4: string | undefined
  readonly ipv6: string | undefined
  /** The subnet, e.g. `10.0.11.0/24`: it lies in one zone. */
  readonly ipv4Cidr: string | undefined
  readonly ipv6Cidr: string | undefined
  /** `FARGATE`, `EC2`, `EXTERNAL` */
  readonly launchType: string | undefined
  /** What this container listens on: from the `port` option or `PORT`, since Fargate's metadata has no ports. */
  readonly port: number | undefined
  /** The container that this process runs in. */
  readonly container: TaskContainer
  /** All containers of the task, this one included. */
  readonly containers: readonly TaskContainer[]
  readonly metadataVersion: 3 | 4
}

export interface TaskContainer {
  readonly id: string
  readonly name: string
  readonly image: string | undefined
  /** `PULLED`, `RUNNING`, ...: as far as the agent knows, which is late at start-up. */
  readonly status: string | undefined
  /** Where the task's other containers reach it: they share one network interface. */
  readonly address: '127.0.0.1'
}

/** What was fetched: the URI for error messages, and the JSON behind it. */
export interface Document {
  readonly uri: string
  readonly body: unknown
}

/** ARN of a task: with the cluster's name in it, or (before 2018) without. */
const TASK_ARN = /^arn:[^:]+:ecs:(?<region>[^:]+):(?<account>\d{12}):task\/(?:[^/]+\/)?(?<id>[^/]+)$/

/**
 * Reads the two documents of one task.
 * @returns undefined while the container has no address: it is too early
 * @throws MetadataInvalidError naming the field, what was there, and what should have been
 */
export function readTask(
  container: Document,
  task: Document,
  version: 3 | 4,
  port: number | undefined,
): Task | undefined {
  const own = new Fields(container)
  const network = own.records('Networks')[0]
  const ipv4 = network?.strings('IPv4Addresses')[0]
  const ipv6 = network?.strings('IPv6Addresses')[0]
  if (network === undefined || (ipv4 === undefined && ipv6 === undefined)) return undefined
  const fields = new Fields(task)
  const arn = fields.string('TaskARN')
  const parts = TASK_ARN.exec(arn)?.groups
  if (parts === undefined) throw fields.invalid('TaskARN', 'the ARN of a task')
  const cluster = fields.string('Cluster')
  return {
    id: parts['id'] ?? '',
    arn,
    cluster: cluster.slice(cluster.lastIndexOf('/') + 1),
    clusterArn: cluster.startsWith('arn:') ? cluster : undefined,
    family: fields.string('Family'),
    revision: fields.string('Revision'),
    service: fields.optional('ServiceName'),
    zone: fields.optional('AvailabilityZone'),
    region: parts['region'] ?? '',
    account: parts['account'] ?? '',
    ipv4,
    ipv6,
    ipv4Cidr: network.optional('IPv4SubnetCIDRBlock'),
    ipv6Cidr: network.optional('IPv6SubnetCIDRBlock'),
    launchType: fields.optional('LaunchType'),
    port,
    container: readContainer(own),
    containers: fields.records('Containers').map(readContainer),
    metadataVersion: version,
  }
}

function readContainer(fields: Fields): TaskContainer {
  return {
    id: fields.string('DockerId'),
    name: fields.string('Name'),
    image: fields.optional('Image'),
    status: fields.optional('KnownStatus'),
    address: '127.0.0.1',
  }
}

/** Reads fields of a JSON object, and says which is wrong. */
class Fields {
  readonly #uri: string
  readonly #path: string
  readonly #values: Readonly<Record<string, unknown>>

  constructor({ uri, body }: Document, path = '') {
    this.#uri = uri
    this.#path = path
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new MetadataInvalidError(
        uri,
        `${path === '' ? 'the answer' : path} is ${told(body)}, and no object`,
      )
    }
    this.#values = body as Record<string, unknown>
  }

  string(name: string): string {
    const value = this.#values[name]
    if (typeof value !== 'string' || value === '') throw this.invalid(name, 'a non-empty string')
    return value
  }

  /** A string that may be missing; empty is missing. */
  optional(name: string): string | undefined {
    const value = this.#values[name]
    if (value === undefined || value === null || value === '') return undefined
    return this.string(name)
  }

  strings(name: string): readonly string[] {
    const values = this.#array(name)
    if (!values.every((value) => typeof value === 'string')) throw this.invalid(name, 'an array of strings')
    return values
  }

  records(name: string): readonly Fields[] {
    return this.#array(name).map(
      (body, index) => new Fields({ uri: this.#uri, body }, `${this.#path}${name}[${index}]`),
    )
  }

  invalid(name: string, expected: string): MetadataInvalidError {
    const path = this.#path === '' ? name : `${this.#path}.${name}`
    return new MetadataInvalidError(this.#uri, `${path} is ${told(this.#values[name])}, and not ${expected}`)
  }

  #array(name: string): readonly unknown[] {
    const value = this.#values[name] ?? []
    if (!Array.isArray(value)) throw this.invalid(name, 'an array')
    return value
  }
}

function told(value: unknown): string {
  if (value === undefined) return 'missing'
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
