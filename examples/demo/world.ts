import { createClient, type Client } from 'onehop'
import { startFleet, startLocalAws, type Fleet, type FleetTask, type LocalAws } from 'onehop/testing'
import { startBalancer, type Balancer } from './balancer.ts'

const HOST = 'orders.shop.local'
/** Shorter than the usual 10 s, so that the demo ends within a minute. */
const TTL_SECONDS = 2
const MAX_TASKS = 8
/** The DNS server is in this process: on a busy machine both sides of a query are late. */
export const DNS_TIMEOUT_MS = 5_000

/** A local AWS, tasks as processes, a load balancer in front of them, and two clients. */
export interface DemoWorld extends AsyncDisposable {
  readonly host: string
  readonly url: string
  readonly aws: LocalAws
  readonly fleet: Fleet
  readonly balancer: Balancer
  /** By their discovery: `dns` and `api`. */
  readonly clients: Readonly<Record<'dns' | 'api', Client>>
  readonly fetches: readonly (typeof fetch)[]
  /** Registers a task in Cloud Map, and so in DNS. */
  register(task: FleetTask): void
}

export async function startDemoWorld(): Promise<DemoWorld> {
  const aws = await startLocalAws()
  const fleet = await startFleet({ tasks: 3, processes: true, zones: ['eu-west-1a', 'eu-west-1b'] })
  aws.addService(HOST, { ttlSeconds: TTL_SECONDS })
  const register = ({ id, address, port, zone }: FleetTask): void =>
    aws.register(HOST, id, { ipv4: address, port, ...(zone === undefined ? {} : { zone }) })
  fleet.tasks.forEach(register)
  // The balancer's health checks find the tasks that start later.
  const targets = Array.from({ length: MAX_TASKS }, (_, index) => `127.0.2.${index + 1}:${fleet.port}`)
  const balancer = await startBalancer(targets)
  const options = {
    namespaces: ['shop.local'],
    dns: { servers: [aws.dns.server], timeoutMs: DNS_TIMEOUT_MS },
    cloudMap: { ...aws.cloudMap, revisionMs: TTL_SECONDS * 1_000 },
    allowLoopback: true,
    fallback: balancer.origin,
    port: fleet.port,
  }
  const clients = {
    dns: createClient({ ...options, discovery: 'dns' }),
    api: createClient({ ...options, discovery: 'api' }),
  }
  return {
    host: HOST,
    url: `http://${HOST}/v1/orders`,
    aws,
    fleet,
    balancer,
    clients,
    fetches: [clients.dns.fetch, clients.api.fetch],
    register,
    async [Symbol.asyncDispose]() {
      await Promise.all([clients.dns.close(), clients.api.close()])
      await balancer[Symbol.asyncDispose]()
      await fleet.close()
      await aws.close()
    },
  }
}
