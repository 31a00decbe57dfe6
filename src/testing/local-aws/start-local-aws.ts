import { checkKeys } from '../../core/check/check.ts'
import { systemClock, systemRandom } from '../../core/clock.ts'
import { Account } from './account.ts'
import { CloudMapServer } from './cloud-map/server.ts'
import { DnsServer } from './dns/server.ts'
import type { LocalAws, LocalAwsOptions, LocalCloudMap, LocalDns } from './local-aws.ts'
import { localMetadata } from './metadata/local-metadata.ts'
import { MetadataServer } from './metadata/server.ts'
import { Registry } from './registry.ts'
import { startEcsService, type LocalEcsService } from './ecs/service.ts'
import { localTask } from './ecs/task.ts'
import { Zones } from './dns/zones.ts'

const CREDENTIALS = { accessKeyId: 'AKIALOCALEXAMPLE', secretAccessKey: 'local' }

const OPTIONS = [...['region', 'accountId', 'operationStepMs', 'clock', 'random', 'task', 'metadataRefuseMs']]

/**
 * Starts a local AWS on free ports of 127.0.0.1.
 *
 *     await using aws = await startLocalAws()
 *     aws.addService('orders.shop.local')
 *     aws.register('orders.shop.local', 'task-1', { ipv4: '127.0.1.1', port: 8080, zone: 'eu-west-1a' })
 *     const client = createClient({ namespaces: ['shop.local'], dns: { servers: [aws.dns.server] }, … })
 */
export async function startLocalAws(options: LocalAwsOptions = {}): Promise<LocalAws> {
  checkKeys('', options, OPTIONS)
  const { clock = systemClock, random = systemRandom } = options
  const registry = new Registry(options)
  const zones = new Zones(registry, random)
  const account = new Account(registry)
  const api = new CloudMapServer(registry, clock)
  const dns = new DnsServer(zones, clock)
  zones.lagMs = () => dns.faults.lagMs
  const { region, accountId } = registry
  const metadata = new MetadataServer(localTask({ region, accountId, ...options.task }), clock)
  const services: LocalEcsService[] = []
  let ecsTasks = 0
  const close = async (): Promise<void> => {
    await Promise.all(services.map((service) => service.close()))
    registry.close()
    await Promise.all([api.close(), dns.close(), metadata.close()])
  }
  try {
    await Promise.all([api.listen(), dns.listen(), metadata.listen()])
    if (options.metadataRefuseMs !== undefined) await metadata.refuseConnections(options.metadataRefuseMs)
  } catch (error) {
    await close()
    throw error
  }
  return {
    region,
    cloudMap: localCloudMap(api, region),
    dns: localDns(dns),
    env: { ...awsVariables(api.endpoint, region), ONEHOP_DNS_SERVERS: dns.server },
    metadata: localMetadata(metadata),
    addNamespace: (name, namespace) => account.addNamespace(name, namespace),
    addService: (host, service) => account.addService(host, service),
    deleteService: (host) => account.deleteService(host),
    register: (host, id, instance) => account.register(host, id, instance),
    instances: (host) => account.instances(host),
    deregister: (host, id) => account.deregister(host, id),
    setHealth: (host, id, status) => account.setHealth(host, id, status),
    addRecords(name, records) {
      checkKeys('addRecords', records, ['type', 'addresses', 'ttlSeconds'])
      const { type = 'A', addresses, ttlSeconds = 60 } = records
      zones.set(name, type, addresses, ttlSeconds)
    },
    async startEcsService(service) {
      const started = await startEcsService(service, {
        ...{ registry, account, clock, endpoint: api.endpoint },
        nextTask: () => ecsTasks++,
      })
      services.push(started)
      return started
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** As the AWS SDK reads them. */
function awsVariables(endpoint: string, region: string): Record<string, string> {
  return {
    AWS_REGION: region,
    AWS_ENDPOINT_URL_SERVICEDISCOVERY: endpoint,
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    // No credentials are searched for at 169.254.169.254.
    AWS_EC2_METADATA_DISABLED: 'true',
  }
}

/** Only options of a client are enumerable, since unknown options are refused. */
function localCloudMap(api: CloudMapServer, region: string): LocalCloudMap {
  const options = {
    endpoint: api.endpoint,
    region,
    // Anew each time, because the SDK writes into what it is given.
    get credentials() {
      return { ...CREDENTIALS }
    },
  }
  return Object.defineProperties(options, {
    calls: { get: () => api.calls },
    faults: { value: api.faults },
  }) as LocalCloudMap
}

function localDns(dns: DnsServer): LocalDns {
  return {
    server: dns.server,
    get queries() {
      return dns.countQueries()
    },
    countQueries: (filter) => dns.countQueries(filter),
    faults: dns.faults,
  }
}
