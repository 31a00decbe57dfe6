/** The two sources of a simulated service, and the ways to ask them. */
import type { Random } from '../../src/core/clock.ts'
import { autoResolver } from '../../src/discovery/auto/resolver.ts'
import { cloudMapSettings } from '../../src/discovery/cloud-map/options.ts'
import { pollingResolver, type DiscoverApi } from '../../src/discovery/cloud-map/resolver.ts'
import { taskEndpoint, type Snapshot } from '../../src/discovery/endpoint.ts'
import type { Resolver } from '../../src/discovery/resolver.ts'
import type { VirtualTime } from '../virtual-time.ts'
import type { Shown, SimulatedService } from './service.ts'

/** Route 53's. */
const MAX_RECORDS = 8
const PORT = 8080
const A_DAY_MS = 86_400_000

export interface Calls {
  dns: number
  reads: number
  revisions: number
  /** When the API was read, on the clock. */
  readonly readAt: number[]
}

/**
 * - `auto before`: what the default was before decision 018. While the API answers, it polled the API, as `api` does.
 * - `http namespace`: the default where DNS knows nothing.
 */
export const MODES = ['dns', 'api', 'auto before', 'auto', 'http namespace'] as const
export type Mode = (typeof MODES)[number]

export interface Process {
  readonly time: VirtualTime
  readonly random: Random
  readonly ttlMs: number
  readonly service: SimulatedService
  readonly calls: Calls
}

/** A resolver as one process has it. */
export function resolverOf(mode: Mode, process: Process): Resolver {
  const { time, random } = process
  const api = (fullReadMs?: number): Resolver =>
    pollingResolver(apiOf(process), cloudMapSettings({ fullReadMs }), time, random)
  switch (mode) {
    case 'dns':
      return dnsOf(process)
    case 'api':
    case 'auto before':
      return api()
    case 'auto':
      return autoResolver({ api: api(A_DAY_MS), dns: dnsOf(process), clock: time, random })
    case 'http namespace':
      return autoResolver({ api: api(A_DAY_MS), dns: silentDns(process), clock: time, random })
  }
}

function apiOf({ service, calls, random, time }: Process): DiscoverApi {
  return {
    discoverInstances() {
      calls.reads++
      calls.readAt.push(time.now())
      const { tasks, revision } = service.api
      const Instances = shuffled(tasks, random).map(({ id, address, zone }) => ({
        InstanceId: id,
        Attributes: {
          AWS_INSTANCE_IPV4: address,
          AWS_INSTANCE_PORT: String(PORT),
          AVAILABILITY_ZONE: zone,
        },
      }))
      return Promise.resolve({ Instances, InstancesRevision: revision, $metadata: {} })
    },
    discoverRevision() {
      calls.revisions++
      return Promise.resolve(service.api.revision)
    },
    close: () => Promise.resolve(),
  }
}

/** Behind a caching resolver: its answer is up to a TTL old, and has the rest of the TTL. */
function dnsOf({ service, calls, random, time, ttlMs }: Process): Resolver {
  // Caches of different processes' subnets do not expire at the same moment.
  let cached: { readonly shown: Shown; readonly until: number } = {
    shown: service.dns,
    until: time.now() + ttlMs * random.next(),
  }
  return {
    resolve(name) {
      calls.dns++
      if (time.now() >= cached.until) cached = { shown: service.dns, until: time.now() + ttlMs }
      const { tasks } = cached.shown
      const records = shuffled(tasks, random).slice(0, MAX_RECORDS)
      return Promise.resolve<Snapshot>({
        service: name,
        endpoints: records.map(({ address }) => taskEndpoint(address)),
        complete: records.length < MAX_RECORDS,
        expiresAt: Math.max(cached.until, time.now() + 1_000),
        source: 'dns',
        revision: undefined,
      })
    },
  }
}

function silentDns({ calls, time }: Process): Resolver {
  return {
    resolve(name) {
      calls.dns++
      const expiresAt = time.now() + 10_000
      const known = { service: name, endpoints: [], complete: true, source: 'dns', revision: undefined }
      return Promise.resolve<Snapshot>({ ...known, expiresAt })
    },
  }
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const mixed = [...items]
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = Math.floor(random.next() * (last + 1))
    ;[mixed[last], mixed[other]] = [mixed[other] as Item, mixed[last] as Item]
  }
  return mixed
}
