import { checkKeys } from '../../core/check/check.ts'
import { systemClock } from '../../core/clock.ts'
import { accountOf } from './account.ts'
import { CloudMapServer } from './cloud-map/server.ts'
import { DnsServer } from './dns/server.ts'
import type { LocalAws, LocalAwsOptions, LocalCloudMap } from './local-aws.ts'
import { MetadataServer } from './metadata/server.ts'
import { Registry } from './registry.ts'
import type { LocalEcsService } from './ecs/ecs-service.ts'
import { startEcsService } from './ecs/start-service.ts'
import { localTask } from './ecs/task.ts'

const CREDENTIALS = { accessKeyId: 'AKIALOCALEXAMPLE', secretAccessKey: 'local' }

const OPTIONS = ['region', 'accountId', 'operationStepMs', 'clock', 'random', 'task', 'metadataRefuseMs']

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
  const { clock = systemClock } = options
  const registry = new Registry(options)
  const account = accountOf(registry)
  const api = new CloudMapServer(registry, clock)
  const dns = new DnsServer(registry, clock)
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
  /** Where Cloud Map is, as the AWS SDK reads it. */
  const cloudMapEnv = {
    AWS_ENDPOINT_URL_SERVICEDISCOVERY: api.endpoint,
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
  }
  return {
    region,
    cloudMap: localCloudMap(api, registry),
    dns,
    env: {
      AWS_REGION: region,
      ...cloudMapEnv,
      // No credentials are searched for at 169.254.169.254.
      AWS_EC2_METADATA_DISABLED: 'true',
      ONEHOP_DNS_SERVERS: dns.server,
    },
    metadata,
    ...account,
    addRecords(name, records) {
      checkKeys('addRecords', records, ['type', 'addresses', 'ttlSeconds'])
      const { type = 'A', addresses, ttlSeconds = 60 } = records
      dns.zones.set(name, type, addresses, ttlSeconds)
    },
    async startEcsService(service) {
      const started = await startEcsService(service, {
        ...{ registry, account, clock, env: cloudMapEnv },
        nextTask: () => ecsTasks++,
      })
      services.push(started)
      return started
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Only options of a client are enumerable, since unknown options are refused. */
function localCloudMap({ endpoint, calls }: CloudMapServer, { region, faults }: Registry): LocalCloudMap {
  const options = {
    endpoint,
    region,
    // Anew each time, because the SDK writes into what it is given.
    get credentials() {
      return { ...CREDENTIALS }
    },
  }
  return Object.defineProperties(options, {
    calls: { value: calls },
    faults: { value: faults },
  }) as LocalCloudMap
}
