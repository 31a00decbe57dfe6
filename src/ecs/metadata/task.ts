import { isIPv4, isIPv6 } from 'node:net'
import type { Document } from './fetch-metadata.ts'
import { Fields } from './fields.ts'

/** This task and its place, as ECS reports it. Fields that the platform does not report are undefined. */
export interface Task {
  /** The last part of the ARN, which is also the id of its Cloud Map instance where ECS registers it. */
  readonly id: string
  /** ARN of the task. */
  readonly arn: string
  /** Short name: `shop`. */
  readonly cluster: string
  /** ARN of the cluster; undefined where ECS reports only its name. */
  readonly clusterArn: string | undefined
  /** Family and revision of the task definition. */
  readonly family: string
  /** Revision of the task definition, e.g. `7`. */
  readonly revision: string
  /** undefined for tasks that no service started (RunTask), and on metadata version 3. */
  readonly service: string | undefined
  /** `eu-west-1b` */
  readonly zone: string | undefined
  /** AWS region, e.g. `eu-west-1`. */
  readonly region: string
  /** Twelve digits. */
  readonly account: string
  /** Private address of the task's network interface; undefined for an IPv6-only task. */
  readonly ipv4: string | undefined
  /** IPv6 address of the network interface; undefined if it has none. */
  readonly ipv6: string | undefined
  /** The subnet, e.g. `10.0.11.0/24`: it lies in one zone. */
  readonly ipv4Cidr: string | undefined
  /** IPv6 block of the subnet; undefined if it has none. */
  readonly ipv6Cidr: string | undefined
  /** `FARGATE`, `EC2`, `EXTERNAL` */
  readonly launchType: string | undefined
  /** What this container listens on: from the `port` option or `PORT`, since Fargate's metadata has no ports. */
  readonly port: number | undefined
  /** The container that this process runs in. */
  readonly container: TaskContainer
  /** All containers of the task, this one included. */
  readonly containers: readonly TaskContainer[]
  /** Version of the metadata endpoint that answered. */
  readonly metadataVersion: 3 | 4
}

/** One container of the task. */
export interface TaskContainer {
  /** Docker id. */
  readonly id: string
  /** Name in the task definition. */
  readonly name: string
  /** Image with its tag, as the task definition has it. */
  readonly image: string | undefined
  /** `PULLED`, `RUNNING`, ...: as far as the agent knows, which is late at start-up. */
  readonly status: string | undefined
  /** Where the task's other containers reach it: they share one network interface. */
  readonly address: '127.0.0.1'
}

const CIDR = /^(?<network>[^/]+)\/(?<bits>\d{1,3})$/
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
  const network = own.records('Networks').map(readNetwork).find(hasAddress)
  if (network === undefined) return undefined
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
    ...network,
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

type Network = Pick<Task, 'ipv4' | 'ipv6' | 'ipv4Cidr' | 'ipv6Cidr'>

function readNetwork(fields: Fields): Network {
  return {
    ipv4: readAddress(fields, 'IPv4Addresses', isIPv4, 'IPv4 addresses'),
    ipv6: readAddress(fields, 'IPv6Addresses', isIPv6, 'IPv6 addresses'),
    ipv4Cidr: readCidr(fields, 'IPv4SubnetCIDRBlock', isIPv4, 32),
    ipv6Cidr: readCidr(fields, 'IPv6SubnetCIDRBlock', isIPv6, 128),
  }
}

function hasAddress({ ipv4, ipv6 }: Network): boolean {
  return ipv4 !== undefined || ipv6 !== undefined
}

/** The first; an empty string, which stands there in network mode `host`, is none. */
function readAddress(
  fields: Fields,
  name: string,
  isAddress: (text: string) => boolean,
  expected: string,
): string | undefined {
  const addresses = fields.strings(name).filter((text) => text !== '')
  if (!addresses.every(isAddress)) throw fields.invalid(name, expected)
  return addresses[0]
}

function readCidr(
  fields: Fields,
  name: string,
  isAddress: (text: string) => boolean,
  longestPrefix: number,
): string | undefined {
  const cidr = fields.optional(name)
  if (cidr === undefined) return undefined
  const { network = '', bits } = CIDR.exec(cidr)?.groups ?? {}
  if (!isAddress(network) || Number(bits) > longestPrefix) throw fields.invalid(name, 'a CIDR block')
  return cidr
}
