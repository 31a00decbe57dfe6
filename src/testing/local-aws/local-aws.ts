import { systemClock, systemRandom, type Clock, type Random } from '../../core/clock.ts'
import { Account, type LocalInstance, type LocalNamespaceOptions } from './account.ts'
import type { LocalService, LocalServiceOptions } from './account.ts'
import type { CloudMapFaults } from './cloud-map-faults.ts'
import { CloudMapServer } from './cloud-map-server.ts'
import type { DnsFaults } from './dns-faults.ts'
import { DnsServer, type QueryFilter } from './dns-server.ts'
import type { CustomHealthStatus } from './model.ts'
import { Registry } from './registry.ts'
import { Zones } from './zones.ts'

export interface LocalAwsOptions {
  /** [`eu-west-1`] */
  readonly region?: string
  /** Owner of everything [`111122223333`]. */
  readonly accountId?: string
  /** Time from SUBMITTED to PENDING, and from there to SUCCESS, in ms [10]. */
  readonly operationStepMs?: number
  /** For operations and delays [the system's]. */
  readonly clock?: Clock
  /** For ids and the order of answers [the system's]. */
  readonly random?: Random
}

/** Directly usable as the `cloudMap` option of `createClient`, and as the AWS SDK's (with `disableHostPrefix`). */
export interface LocalCloudMap {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string
  readonly region: string
  /** Any others will do as well: signatures are not checked. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** How often each operation was asked for, by its name; retries and faulty answers included. */
  readonly calls: Readonly<Record<string, number>>
  readonly faults: CloudMapFaults
}

export interface LocalDns {
  /** `127.0.0.1:PORT`, for UDP and TCP. */
  readonly server: string
  /** All queries so far, whatever the answer was. */
  readonly queries: number
  /** Queries so far that match; names in any case. */
  countQueries(filter?: QueryFilter): number
  readonly faults: DnsFaults
}

/** What AWS gives to a task, on 127.0.0.1: Cloud Map's API and DNS, over one and the same registry. */
export interface LocalAws extends AsyncDisposable {
  readonly region: string
  readonly cloudMap: LocalCloudMap
  readonly dns: LocalDns

  /** @throws AwsError `NamespaceAlreadyExists` */
  addNamespace(name: string, options?: LocalNamespaceOptions): { readonly id: string; readonly arn: string }
  /**
   * Adds `orders.shop.local` to the namespace that it lies in. Without any, the namespace `shop.local` is made.
   * @throws AwsError `ServiceAlreadyExists`, `InvalidInput`
   */
  addService(host: string, options?: LocalServiceOptions): LocalService
  /**
   * Adds an instance, or replaces the one with that id. Shows at once, in the API and in DNS.
   * @throws AwsError `ServiceNotFound`, `InvalidInput`, `ResourceLimitExceeded`
   */
  register(host: string, instanceId: string, instance: LocalInstance): void
  /** @throws AwsError `ServiceNotFound`, `InstanceNotFound` */
  deregister(host: string, instanceId: string): void
  /** @throws AwsError `ServiceNotFound`, `InstanceNotFound`, `CustomHealthNotFound` */
  setHealth(host: string, instanceId: string, status: CustomHealthStatus): void
  /**
   * Makes DNS answer for a name that is in no Cloud Map namespace. All records are in every answer, in random
   * order. Called again, it replaces those of the same type; without addresses, it takes them away.
   */
  addRecords(name: string, records: LocalRecords): void
  /** Ends all servers, connections and timers, whatever still waits for an answer. */
  close(): Promise<void>
}

export interface LocalRecords {
  /** [`A`] */
  readonly type?: 'A' | 'AAAA' | 'CNAME'
  /** IP addresses; for a CNAME the one name. */
  readonly addresses: readonly string[]
  /** [60] */
  readonly ttlSeconds?: number
}

/**
 * Starts a local AWS on free ports of 127.0.0.1.
 *
 *     await using aws = await startLocalAws()
 *     aws.addService('orders.shop.local')
 *     aws.register('orders.shop.local', 'task-1', { ipv4: '127.0.1.1', port: 8080, zone: 'eu-west-1a' })
 *     const client = createClient({ namespaces: ['shop.local'], dns: { servers: [aws.dns.server] }, … })
 */
export async function startLocalAws(options: LocalAwsOptions = {}): Promise<LocalAws> {
  const { clock = systemClock, random = systemRandom } = options
  const registry = new Registry(options)
  const zones = new Zones(registry, random)
  const account = new Account(registry)
  const api = new CloudMapServer(registry, clock)
  const dns = new DnsServer(zones, clock)
  const close = async (): Promise<void> => {
    registry.operations.close()
    await Promise.all([api.close(), dns.close()])
  }
  try {
    await Promise.all([api.listen(), dns.listen()])
  } catch (error) {
    await close()
    throw error
  }
  return {
    region: registry.region,
    cloudMap: localCloudMap(api, registry.region),
    dns: {
      server: dns.server,
      get queries() {
        return dns.countQueries()
      },
      countQueries: (filter) => dns.countQueries(filter),
      faults: dns.faults,
    },
    addNamespace: (name, namespace) => account.addNamespace(name, namespace),
    addService: (host, service) => account.addService(host, service),
    register: (host, id, instance) => account.register(host, id, instance),
    deregister: (host, id) => account.deregister(host, id),
    setHealth: (host, id, status) => account.setHealth(host, id, status),
    addRecords: (name, { type = 'A', addresses, ttlSeconds = 60 }) =>
      zones.set(name, type, addresses, ttlSeconds),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** What is no option of a client is not enumerable, since unknown options are refused. */
function localCloudMap(api: CloudMapServer, region: string): LocalCloudMap {
  const options = {
    endpoint: api.endpoint,
    region,
    // Anew each time, because the SDK writes into what it is given.
    get credentials() {
      return { accessKeyId: 'AKIALOCALEXAMPLE', secretAccessKey: 'local' }
    },
  }
  return Object.defineProperties(options, {
    calls: { get: () => api.calls },
    faults: { value: api.faults },
  }) as LocalCloudMap
}
