/** Bodies of the task metadata endpoint on Fargate (platform 1.4), version 4 and 3. Times are of a sample. */
import { createHash } from 'node:crypto'
import { clusterArn, taskArn, type LocalContainer, type LocalTask } from '../ecs/task.ts'

const PULLED_AT = '2026-11-20T09:12:51.902274Z'
const STARTED_AT = '2026-11-20T09:12:53.118842Z'

export function taskV4(task: LocalTask): Record<string, unknown> {
  return {
    ...commonTask(task),
    ...(task.serviceName !== undefined && { ServiceName: task.serviceName }),
    LaunchType: task.launchType,
    Containers: task.containers.map((container) => containerV4(task, container)),
    ClockDrift: {
      ClockErrorBound: 0.42,
      ReferenceTimestamp: '2026-11-20T09:12:50Z',
      ClockSynchronizationStatus: 'SYNCHRONIZED',
    },
    EphemeralStorageMetrics: { Utilized: 214, Reserved: 20_496 },
    FaultInjectionEnabled: false,
  }
}

/** There are no `Ports`: Fargate does not report them. */
export function containerV4(task: LocalTask, container: LocalContainer): Record<string, unknown> {
  const { region, accountId, cluster, family, taskId } = task
  return {
    ...commonContainer(task, container),
    LogDriver: 'awslogs',
    LogOptions: {
      'awslogs-group': `/${cluster}/${family}`,
      'awslogs-region': region,
      'awslogs-stream': `${container.name}/${container.name}/${taskId}`,
    },
    ContainerARN: `arn:aws:ecs:${region}:${accountId}:container/${cluster}/${taskId}/${uuidOf(container)}`,
    Snapshotter: 'overlayfs',
    Networks: [networkV4(task)],
  }
}

/** Version 3 knows neither service, launch type nor subnet. */
export function taskV3(task: LocalTask): Record<string, unknown> {
  return {
    ...commonTask(task),
    Containers: task.containers.map((container) => containerV3(task, container)),
  }
}

export function containerV3(task: LocalTask, container: LocalContainer): Record<string, unknown> {
  return { ...commonContainer(task, container), Networks: [addresses(task)] }
}

/** Docker's statistics, cut down to what charts are drawn from. */
export function statsOf(container: LocalContainer): Record<string, unknown> {
  return {
    read: STARTED_AT,
    id: container.id,
    name: container.name,
    cpu_stats: { cpu_usage: { total_usage: 350_000_000 }, system_cpu_usage: 99_000_000_000, online_cpus: 2 },
    memory_stats: { usage: 41_943_040, limit: 536_870_912 },
    networks: { eth1: { rx_bytes: 84_000, tx_bytes: 12_000 } },
    network_rate_stats: { rx_bytes_per_sec: 43, tx_bytes_per_sec: 12 },
  }
}

function commonTask(task: LocalTask): Record<string, unknown> {
  return {
    Cluster: clusterArn(task),
    TaskARN: taskArn(task),
    Family: task.family,
    Revision: String(task.revision),
    DesiredStatus: task.desiredStatus,
    KnownStatus: task.knownStatus,
    Limits: { CPU: task.cpu, Memory: task.memory },
    PullStartedAt: '2026-11-20T09:12:44.310517Z',
    PullStoppedAt: PULLED_AT,
    AvailabilityZone: task.zone,
  }
}

function commonContainer(task: LocalTask, container: LocalContainer): Record<string, unknown> {
  const { id, name, image, knownStatus } = container
  const started = knownStatus === 'RUNNING' || knownStatus === 'STOPPED'
  return {
    DockerId: id,
    Name: name,
    DockerName: name,
    Image: image,
    ImageID: `sha256:${createHash('sha256').update(image).digest('hex')}`,
    Labels: {
      'com.amazonaws.ecs.cluster': clusterArn(task),
      'com.amazonaws.ecs.container-name': name,
      'com.amazonaws.ecs.task-arn': taskArn(task),
      'com.amazonaws.ecs.task-definition-family': task.family,
      'com.amazonaws.ecs.task-definition-version': String(task.revision),
    },
    DesiredStatus: task.desiredStatus,
    KnownStatus: knownStatus,
    Limits: { CPU: 0 },
    ...(started && { CreatedAt: STARTED_AT, StartedAt: STARTED_AT }),
    Type: 'NORMAL',
  }
}

function addresses({ ipv4, ipv6 }: LocalTask): Record<string, unknown> {
  return {
    NetworkMode: 'awsvpc',
    ...(ipv4 !== undefined && { IPv4Addresses: [ipv4] }),
    ...(ipv6 !== undefined && { IPv6Addresses: [ipv6] }),
  }
}

function networkV4(task: LocalTask): Record<string, unknown> {
  const { ipv4, ipv6, ipv4Subnet, ipv6Subnet, region } = task
  const domain = `${region}.compute.internal`
  return {
    ...addresses(task),
    AttachmentIndex: 0,
    MACAddress: '06:3a:5c:7e:90:b2',
    ...(ipv4 !== undefined && { IPv4SubnetCIDRBlock: ipv4Subnet }),
    ...(ipv6 !== undefined && { IPv6SubnetCIDRBlock: ipv6Subnet }),
    DomainNameServers: [ipv4 === undefined ? 'fd00:ec2::253' : '10.0.0.2'],
    DomainNameSearchList: [domain],
    ...(ipv4 !== undefined && {
      PrivateDNSName: `ip-${ipv4.replaceAll('.', '-')}.${domain}`,
      SubnetGatewayIpv4Address: gatewayOf(ipv4Subnet),
    }),
  }
}

/** The first address of the subnet, as a CIDR: `10.0.11.0/24` has `10.0.11.1/24`. */
function gatewayOf(subnet: string): string {
  return subnet.replace(/(\d+)\/(\d+)$/, (_, octet: string, bits: string) => `${Number(octet) + 1}/${bits}`)
}

/** The same for the same container, as a real one's is. */
function uuidOf({ id }: LocalContainer): string {
  const hex = createHash('sha256').update(id).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  )
}
