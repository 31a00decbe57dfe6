/** The task that the metadata server speaks of. Change its fields at any time; the next answer has them. */
export interface LocalTask {
  /** 32 hexadecimal digits. */
  taskId: string
  /** Twelve digits. */
  accountId: string
  /** AWS region, e.g. `eu-west-1`. */
  region: string
  /** Name of the cluster [`shop`]. */
  cluster: string
  /** Family of the task definition [`orders`]. */
  family: string
  /** Revision of the task definition [7]. */
  revision: number
  /** undefined: started by RunTask, in no service. */
  serviceName: string | undefined
  /** Availability zone. */
  zone: string
  /** Launch type [`FARGATE`]. */
  launchType: 'FARGATE' | 'EC2'
  /** Of the task's network interface; undefined in an IPv6-only subnet, and until ECS knows it. */
  ipv4: string | undefined
  /** The same, for IPv6. */
  ipv6: string | undefined
  /** CIDR blocks of the subnet, reported beside an address of their kind. */
  ipv4Subnet: string
  /** The same, for IPv6. */
  ipv6Subnet: string
  /** `NONE` until all containers run, which is how a task sees itself at start-up. */
  knownStatus: string
  /** What ECS wants the task to be [`RUNNING`]. */
  desiredStatus: string
  /** vCPUs, and MiB. */
  cpu: number
  /** MiB. */
  memory: number
  /** All containers of the task; the first is the one that asks. */
  containers: LocalContainer[]
  /** What `/taskWithTags` adds. */
  tags: Record<string, string>
}

/** One container of the task. */
export interface LocalContainer {
  /** Docker id, by which the container's metadata URI names it. */
  id: string
  /** Name in the task definition. */
  name: string
  /** Image with its tag. */
  image: string
  /** `RUNNING` and `STOPPED` come with the times of creation and start. */
  knownStatus: string
}

const TASK_ID = '5f0c2a9b7d1e4c38a6b90d2f1e7c8a44'

/** A task in the midst of its start: one container runs, the one that asks is not yet said to. */
export function localTask(given: Partial<LocalTask> & Pick<LocalTask, 'region' | 'accountId'>): LocalTask {
  const { region, accountId, taskId = TASK_ID } = given
  return {
    taskId,
    cluster: 'shop',
    family: 'orders',
    revision: 7,
    serviceName: 'orders',
    zone: `${region}b`,
    launchType: 'FARGATE',
    ipv4: '10.0.11.42',
    ipv6: '2a05:d018:1111:2200:8f1c:2d3e:4b5a:6c7d',
    ipv4Subnet: '10.0.11.0/24',
    ipv6Subnet: '2a05:d018:1111:2200::/64',
    knownStatus: 'NONE',
    desiredStatus: 'RUNNING',
    cpu: 0.25,
    memory: 512,
    containers: [
      {
        id: `${taskId}-1730492817`,
        name: 'app',
        image: `${accountId}.dkr.ecr.${region}.amazonaws.com/orders:1.4.0`,
        knownStatus: 'PULLED',
      },
      {
        id: `${taskId}-0285561930`,
        name: 'cache',
        image: 'public.ecr.aws/docker/library/redis:8',
        knownStatus: 'RUNNING',
      },
    ],
    tags: {},
    ...given,
  }
}

export function taskArn({ region, accountId, cluster, taskId }: LocalTask): string {
  return `arn:aws:ecs:${region}:${accountId}:task/${cluster}/${taskId}`
}

export function clusterArn({ region, accountId, cluster }: LocalTask): string {
  return `arn:aws:ecs:${region}:${accountId}:cluster/${cluster}`
}
